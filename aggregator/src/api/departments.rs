//! `/api/v1/departments`: one row a department, listed ones also when nothing happened there yet.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use wardline_api::Departments;
use wardline_model::time::rfc3339;

use super::Context;
use super::failure::Failure;
use super::params::Params;

pub(crate) async fn get(State(api): Context, uri: Uri) -> Result<Json<Departments>, Failure> {
    let mut params = Params::of(&uri)?;
    let moment = params.moment(api.shared.now_ms())?;
    params.finish()?;
    let departments = api
        .read(move |api, folded| api.shared.departments(folded, moment.view, moment.present))
        .await?;
    Ok(Json(Departments {
        as_of: rfc3339(moment.view.at_ms),
        departments,
    }))
}
