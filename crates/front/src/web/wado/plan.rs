//! Listing what a request takes.

use axum::http::{HeaderValue, StatusCode};
use outrigger_model::Selection;

use super::Wado;
use super::asking::Resource;
use crate::service::Retrievable;
use crate::web::Refusal;

/// The instances of a resource, at least one.
pub(super) async fn instances(wado: &Wado, resource: &Resource) -> Result<Vec<Retrievable>, Refusal> {
    let mut found = wado.service.plan(selection(resource)).await?;
    // An instance is asked for by its own UID; that it stands where the path says is to be seen.
    found.retain(|instance| {
        instance.study.as_ref() == Some(&resource.study)
            && resource.series.as_ref().is_none_or(|series| instance.series.as_ref() == Some(series))
    });
    if found.is_empty() {
        let unlisted = unlisted(wado, resource, &found).await?;
        if unlisted > 0 {
            let text = format!("{unlisted} instances of {} are not listed by their archive", resource.path());
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text));
        }
        return Err(Refusal::nothing(format!("there is no {}", resource.path())));
    }
    Ok(found)
}

/// How many instances of a resource a member says it has and does not list.
pub(super) async fn unlisted(
    wado: &Wado,
    resource: &Resource,
    planned: &[Retrievable],
) -> Result<u64, Refusal> {
    Ok(wado.service.unlisted(&selection(resource), planned).await?)
}

/// What is said of them where others are given.
pub(super) fn unlisted_warning(unlisted: u64) -> Option<HeaderValue> {
    let text = format!("299 outrigger \"{unlisted} objects are not listed by their archive and left out\"");
    (unlisted > 0).then(|| HeaderValue::from_str(&text).ok()).flatten()
}

/// The one instance of a resource that names it.
pub(super) async fn instance(wado: &Wado, resource: &Resource) -> Result<Retrievable, Refusal> {
    let found = instances(wado, resource).await?;
    found.into_iter().next().ok_or_else(|| Refusal::nothing("there is no such instance"))
}

/// Where an instance stands, as a resource.
pub(super) fn resource_of(resource: &Resource, instance: &Retrievable) -> Resource {
    Resource {
        study: resource.study.clone(),
        series: instance.series.clone().or_else(|| resource.series.clone()),
        instance: Some(instance.sop_instance.clone()),
    }
}

/// What a resource selects.
pub(super) fn selection(resource: &Resource) -> Selection {
    match (&resource.series, &resource.instance) {
        (_, Some(instance)) => {
            Selection::Instances { study: Some(resource.study.clone()), instances: vec![instance.clone()] }
        }
        (Some(series), None) => {
            Selection::Series { study: Some(resource.study.clone()), series: vec![series.clone()] }
        }
        (None, None) => Selection::Studies(vec![resource.study.clone()]),
    }
}
