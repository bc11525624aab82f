//! `/api/v1/explain/bed/{bed}`: what a bed's status rests on.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use wardline_api::Explanation;
use wardline_model::time::rfc3339;

use super::Context;
use super::failure::Failure;
use super::params::Params;

pub(crate) async fn get(
    State(api): Context,
    Path(bed): Path<String>,
    uri: Uri,
) -> Result<Json<Explanation>, Failure> {
    let mut params = Params::of(&uri)?;
    let moment = params.moment(api.shared.now_ms())?;
    params.finish()?;
    let name = bed.clone();
    let found = api
        .read(move |_, folded| {
            let row = folded.ledger.bed(&name, moment.view)?;
            let events = folded.ledger.explain(&name, moment.view)?;
            Some((row.status, events))
        })
        .await?;
    let Some((status, events)) = found else {
        return Err(Failure::missing(
            "bed",
            &bed,
            "beds are named PoC^Room^Bed, percent-encoded in a path: ICU%5E1%5E2",
        ));
    };
    Ok(Json(Explanation {
        bed,
        as_of: rfc3339(moment.view.at_ms),
        status,
        events,
    }))
}
