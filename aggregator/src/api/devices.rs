//! `/api/v1/devices[?department=]`: one row a device, as it is now.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use wardline_api::Devices;
use wardline_model::time::rfc3339;

use super::Context;
use super::beds::{known_department, same};
use super::failure::Failure;
use super::params::Params;
use crate::ledger::View;

pub(crate) async fn get(State(api): Context, uri: Uri) -> Result<Json<Devices>, Failure> {
    let mut params = Params::of(&uri)?;
    let department = params.text("department");
    params.finish()?;
    let now_ms = api.shared.now_ms();
    let mut devices = {
        let department = department.clone();
        api.read(move |_, folded| {
            if let Some(name) = &department {
                known_department(folded, name, View::at(now_ms))?;
            }
            Ok::<_, Failure>(folded.ledger.devices(now_ms))
        })
        .await??
    };
    if let Some(name) = department {
        devices.retain(|row| same(&row.department, &name));
    }
    Ok(Json(Devices {
        as_of: rfc3339(now_ms),
        devices,
    }))
}
