//! `/api/v1/about`: which program this is, where its parts listen, and what a person must know.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use wardline_api::About;

use super::Context;
use super::failure::Failure;
use super::params::Params;

pub(crate) async fn get(State(api): Context, uri: Uri) -> Result<Json<About>, Failure> {
    Params::of(&uri)?.finish()?;
    Ok(Json(About {
        name: "wardline".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        site: api.site.as_ref().map(ToString::to_string),
        addresses: api.addresses.clone(),
        warnings: api.warnings.clone(),
    }))
}
