//! `/api/v1/beds[?department=]`: one row a bed.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use wardline_api::Beds;
use wardline_model::time::rfc3339;

use super::Context;
use super::failure::Failure;
use super::params::Params;
use crate::ledger::View;
use crate::shared::Folded;

pub(crate) async fn get(State(api): Context, uri: Uri) -> Result<Json<Beds>, Failure> {
    let mut params = Params::of(&uri)?;
    let moment = params.moment(api.shared.now_ms())?;
    let department = params.text("department");
    params.finish()?;
    let mut beds = {
        let department = department.clone();
        api.read(move |_, folded| {
            if let Some(name) = &department {
                known_department(folded, name, moment.view)?;
            }
            Ok::<_, Failure>(folded.ledger.beds(moment.view))
        })
        .await??
    };
    if let Some(name) = department {
        beds.retain(|row| same(&row.department, &name));
    }
    Ok(Json(Beds {
        as_of: rfc3339(moment.view.at_ms),
        beds,
    }))
}

/// Names of departments are compared without regard to case.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

/// A department nobody knows is an error: an empty list would say that it has no beds.
pub(crate) fn known_department(folded: &Folded, name: &str, view: View) -> Result<(), Failure> {
    let mut names: Vec<String> = folded
        .ledger
        .departments(view, &|_| None)
        .into_iter()
        .map(|row| row.department)
        .chain(
            folded
                .ledger
                .devices(view.at_ms)
                .into_iter()
                .map(|row| row.department),
        )
        .collect();
    if names.iter().any(|known| same(known, name)) {
        return Ok(());
    }
    names.sort();
    names.dedup();
    Err(Failure::missing(
        "department",
        name,
        format!("known are: {}", names.join(", ")),
    ))
}
