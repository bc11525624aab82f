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
use super::params::Params;
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
    let departments = api
        .read(move |api, folded| {
            let site = site.as_deref();
            api.shared
                .departments(folded, site, moment.view, moment.present)
        })
        .await?;
    Ok(Json(Departments {
        as_of: rfc3339(moment.view.at_ms),
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
    let mut beds = {
        let department = department.clone();
        api.read(move |_, folded| {
            let site = site.as_deref();
            if let Some(name) = &department {
                known_department(folded, site, name, moment.view)?;
            }
            Ok::<_, Failure>(folded.sites.beds(site, moment.view))
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

/// `/api/v1/devices[?site=][&department=]`: one row a device, as it is now.
pub(crate) async fn devices(State(api): Context, uri: Uri) -> Result<Json<Devices>, Failure> {
    let mut params = Params::of(&uri)?;
    let site = api.site(&mut params)?;
    let department = params.text("department");
    params.finish()?;
    let now_ms = api.shared.now_ms();
    let mut devices = {
        let department = department.clone();
        api.read(move |_, folded| {
            let site = site.as_deref();
            if let Some(name) = &department {
                known_department(folded, site, name, View::at(now_ms))?;
            }
            Ok::<_, Failure>(folded.sites.devices(site, now_ms))
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
            let ledgers = folded.sites.of(site.as_deref());
            ledgers.filter_map(explained).collect::<Vec<_>>()
        })
        .await?;
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
