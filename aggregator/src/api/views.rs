//! Departments, beds and devices as they are now or were at a moment, and what a bed's status rests on.
//!
//! A name that nobody knows is an error, never an empty list: that would say that there is nothing.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use wardline_api::{Beds, Departments, Devices, Explanation};
use wardline_model::time::rfc3339;

use super::Context;
use super::failure::Failure;
use super::params::{Moment, Params};
use crate::engine::shared::Folded;
use crate::ledger::{Ledger, View};

/// `/api/v1/departments[?site=]`: one row a department, listed ones also when nothing happened there yet.
pub(crate) async fn departments(
    State(api): Context,
    uri: Uri,
) -> Result<Json<Departments>, Failure> {
    let mut params = Params::of(&uri)?;
    let moment = params.moment(api.shared.now_ms())?;
    let site = api.site(&mut params)?;
    params.finish()?;
    let (fresh, departments) = api
        .read(move |api, folded| {
            let site = site.as_deref();
            within_history(folded, site, &moment)?;
            let fresh = api.shared.freshness(&api.sites, site);
            let rows = api
                .shared
                .departments(folded, site, moment.view, moment.present);
            Ok::<_, Failure>((fresh, rows))
        })
        .await??;
    Ok(Json(Departments {
        as_of: rfc3339(moment.view.at_ms),
        fresh,
        departments,
    }))
}

/// `/api/v1/beds[?site=][&department=]`: one row a bed.
pub(crate) async fn beds(State(api): Context, uri: Uri) -> Result<Json<Beds>, Failure> {
    let mut params = Params::of(&uri)?;
    let moment = params.moment(api.shared.now_ms())?;
    let site = api.site(&mut params)?;
    let department = params.text("department");
    params.finish()?;
    let (fresh, mut beds) = {
        let department = department.clone();
        api.read(move |api, folded| {
            let site = site.as_deref();
            within_history(folded, site, &moment)?;
            if let Some(name) = &department {
                known_department(folded, site, name, moment.view)?;
            }
            let fresh = api.shared.freshness(&api.sites, site);
            Ok::<_, Failure>((fresh, folded.sites.beds(site, moment.view)))
        })
        .await??
    };
    if let Some(name) = department {
        beds.retain(|row| same(&row.department, &name));
    }
    Ok(Json(Beds {
        as_of: rfc3339(moment.view.at_ms),
        fresh,
        beds,
    }))
}

/// `/api/v1/devices[?site=][&department=]`: one row a device, as it is now.
pub(crate) async fn devices(State(api): Context, uri: Uri) -> Result<Json<Devices>, Failure> {
    let mut params = Params::of(&uri)?;
    let site = api.site(&mut params)?;
    let department = params.text("department");
    params.finish()?;
    let now_ms = api.shared.now_ms();
    let (fresh, mut devices) = {
        let department = department.clone();
        api.read(move |api, folded| {
            let site = site.as_deref();
            if let Some(name) = &department {
                known_department(folded, site, name, View::at(now_ms))?;
            }
            let fresh = api.shared.freshness(&api.sites, site);
            Ok::<_, Failure>((fresh, folded.sites.devices(site, now_ms)))
        })
        .await??
    };
    if let Some(name) = department {
        devices.retain(|row| same(&row.department, &name));
    }
    Ok(Json(Devices {
        as_of: rfc3339(now_ms),
        fresh,
        devices,
    }))
}

/// `/api/v1/explain/bed/{bed}[?site=]`: what a bed's status rests on.
pub(crate) async fn explain(
    State(api): Context,
    Path(bed): Path<String>,
    uri: Uri,
) -> Result<Json<Explanation>, Failure> {
    let mut params = Params::of(&uri)?;
    let moment = params.moment(api.shared.now_ms())?;
    let site = api.site(&mut params)?;
    params.finish()?;
    let name = bed.clone();
    let mut found = api
        .read(move |_, folded| {
            let explained = |(site, ledger): (&str, &Ledger)| {
                let row = ledger.bed(&name, moment.view)?;
                let events = ledger.explain(&name, moment.view)?;
                Some((site.to_owned(), row.status, events))
            };
            within_history(folded, site.as_deref(), &moment)?;
            let ledgers = folded.sites.of(site.as_deref());
            Ok::<_, Failure>(ledgers.filter_map(explained).collect::<Vec<_>>())
        })
        .await??;
    if found.len() > 1 {
        let sites = found.iter().map(|(site, ..)| site.as_str());
        return Err(Failure::ambiguous("bed", &bed, sites));
    }
    let Some((site, status, events)) = found.pop() else {
        return Err(Failure::missing(
            "bed",
            &bed,
            "beds are named PoC^Room^Bed, percent-encoded in a path: ICU%5E1%5E2",
        ));
    };
    Ok(Json(Explanation {
        site,
        bed,
        as_of: rfc3339(moment.view.at_ms),
        status,
        events,
    }))
}

/// A moment of which something was forgotten has no answer.
fn within_history(folded: &Folded, site: Option<&str>, moment: &Moment) -> Result<(), Failure> {
    let asked_ms = moment
        .view
        .at_ms
        .min(moment.view.known_ms.unwrap_or(i64::MAX));
    match folded.sites.horizon_ms(site) {
        Some(horizon_ms) if asked_ms < horizon_ms => Err(Failure::gone(rfc3339(horizon_ms))),
        _ => Ok(()),
    }
}

/// Names of departments are compared without regard to case.
fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

/// A department nobody knows is an error: an empty list would say that it has no beds.
fn known_department(
    folded: &Folded,
    site: Option<&str>,
    name: &str,
    view: View,
) -> Result<(), Failure> {
    let sites = &folded.sites;
    let of_beds = sites.departments(site, view, &|_, _| None);
    let of_devices = sites.devices(site, view.at_ms);
    let mut names: Vec<String> = of_beds
        .into_iter()
        .map(|row| row.department)
        .chain(of_devices.into_iter().map(|row| row.department))
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
