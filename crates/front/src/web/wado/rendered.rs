//! Rendered images, videos and thumbnails (PS3.18 section 10.4.1.1.3 and 10.4.1.1.7).

mod view;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use outrigger_dicomweb::accept::{Container, IMAGES, RenderedForm};
use outrigger_dicomweb::frames::frame_list;
use outrigger_dicomweb::render::Wishes;

use self::view::View;
use super::Wado;
use super::ahead::Ahead;
use super::asking::Asking;
use super::body::{Broken, Pieces, written};
use super::bulk;
use super::given::Given;
use super::plan::{instance, instances, resource_of};
use crate::service::Retrievable;
use crate::web::Refusal;

/// Instances of a study or series that are tried for a picture of it: reports and states among them have none.
const TRIED_MAX: usize = 8;
const NOT_ACCEPTABLE: &str =
    "pictures can be had as image/jpeg, image/png and image/gif, or as multipart/related of one of them";
const MANY: &str = "several frames do not fit into one picture; ask for multipart/related";

/// Gives pictures: of the first frame or the frames named, of all frames as GIF, of a video itself, of every instance of a
/// series or study.
pub(super) async fn rendered(wado: Wado, asking: Asking) -> Result<Response, Refusal> {
    let wishes = wishes(&asking)?;
    let forms = RenderedForm::accepted(&asking.accept);
    if asking.resource.instance.is_some() {
        return of_instance(wado, asking, wishes, &forms).await;
    }
    let (container, media) =
        RenderedForm::choose(&forms, &IMAGES).ok_or_else(|| Refusal::not_acceptable(NOT_ACCEPTABLE))?;
    match container {
        Some(Container::Single) => representative(&wado, &asking, wishes, media).await,
        Some(Container::Multipart) | None => of_all(wado, asking, wishes, media).await,
    }
}

/// Gives a small picture: of an instance, or of one in the middle of a series or study.
pub(super) async fn thumbnail(wado: Wado, asking: Asking) -> Result<Response, Refusal> {
    let wishes = wishes(&asking)?.small();
    let mut forms = RenderedForm::accepted(&asking.accept);
    // It is one picture alone, whatever has parts.
    forms.retain(|form| form.container != Some(Container::Multipart));
    let (_, media) =
        RenderedForm::choose(&forms, &IMAGES).ok_or_else(|| Refusal::not_acceptable(NOT_ACCEPTABLE))?;
    match numbers(&asking)?.as_deref() {
        None => representative(&wado, &asking, wishes, media).await,
        Some([number]) => {
            let planned = instance(&wado, &asking.resource).await?;
            let image = View::open(&wado, &planned).await?.render(&wado, *number, wishes, media).await?;
            told(&asking, &planned).await;
            Ok(([(CONTENT_TYPE, media)], image).into_response())
        }
        Some(_) => Err(Refusal::not_acceptable(MANY)),
    }
}

fn wishes(asking: &Asking) -> Result<Wishes, Refusal> {
    let parameters = asking.query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Wishes::parse(parameters).map_err(Refusal::bad)
}

/// The frames that the path names.
fn numbers(asking: &Asking) -> Result<Option<Vec<u32>>, Refusal> {
    asking.frames.as_deref().map(frame_list).transpose().map_err(Refusal::bad)
}

async fn told(asking: &Asking, instance: &Retrievable) {
    let mut given = Given::new(asking);
    given.count(instance);
    given.tell().await;
}

async fn of_instance(
    wado: Wado,
    asking: Asking,
    wishes: Wishes,
    forms: &[RenderedForm],
) -> Result<Response, Refusal> {
    let named = numbers(&asking)?;
    let planned = instance(&wado, &asking.resource).await?;
    let view = View::open(&wado, &planned).await?;
    if let (Some((media, places)), None) = (view.video(), &named) {
        return bulk::video(wado, &asking, &planned, view.into_source(), (forms, media, places));
    }
    let (container, media) =
        RenderedForm::choose(forms, &IMAGES).ok_or_else(|| Refusal::not_acceptable(NOT_ACCEPTABLE))?;
    let is_animated = media == "image/gif" && named.is_none() && container != Some(Container::Multipart);
    let numbers = named.unwrap_or_else(|| vec![1]);
    let first = numbers.first().copied().unwrap_or(1);
    match container {
        Some(Container::Single) if numbers.len() > 1 => Err(Refusal::not_acceptable(MANY)),
        Some(Container::Single) | None if numbers.len() == 1 => {
            let image = if is_animated {
                view.animate(&wado, wishes).await?
            } else {
                view.render(&wado, first, wishes, media).await?
            };
            told(&asking, &planned).await;
            Ok(([(CONTENT_TYPE, media)], image).into_response())
        }
        _ => frame_by_frame(wado, asking, (planned, view), (numbers, wishes, media)).await,
    }
}

/// A part for each frame.
async fn frame_by_frame(
    wado: Wado,
    asking: Asking,
    (planned, view): (Retrievable, View),
    (numbers, wishes, media): (Vec<u32>, Wishes, &'static str),
) -> Result<Response, Refusal> {
    let boundary = wado.boundary()?;
    let location = format!("{}/{}/frames", asking.base, asking.resource.path());
    view.check(&wado, &numbers).await?;
    let mut numbers = numbers.into_iter();
    let first = numbers.next().unwrap_or(1);
    // Nothing is answered before the first is there: until then an error has a status of its own.
    let mut made = Some(view.render(&wado, first, wishes, media).await?);
    let content_type = boundary.content_type(media);
    let body = written(|pieces| async move {
        let sent = async {
            for number in [first].into_iter().chain(numbers) {
                let image = match made.take() {
                    Some(image) => image,
                    None => view.render(&wado, number, wishes, media).await.map_err(broken)?,
                };
                let location = format!("{location}/{number}/rendered");
                pieces
                    .send(boundary.part(&[("Content-Type", media), ("Content-Location", &location)]))
                    .await?;
                pieces.send(image.into()).await?;
            }
            pieces.send(boundary.end()).await
        };
        let sent = sent.await;
        told(&asking, &planned).await;
        (pieces, sent)
    });
    Ok(([(CONTENT_TYPE, content_type)], body).into_response())
}

#[allow(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn broken(refusal: Refusal) -> Broken {
    Broken::Failed(format!("a picture cannot be given: {}", refusal.text()))
}

/// One picture for a whole series or study.
async fn representative(
    wado: &Wado,
    asking: &Asking,
    wishes: Wishes,
    media: &'static str,
) -> Result<Response, Refusal> {
    let found = instances(wado, &asking.resource).await?;
    // The middle of a series shows more of the patient than its ends.
    let middle = found.len() / 2;
    let candidates = found.iter().skip(middle).chain(found.iter().take(middle)).take(TRIED_MAX);
    let mut refused = None;
    for instance in candidates {
        match first_frame(wado, instance, wishes, media).await {
            Ok(image) => {
                told(asking, instance).await;
                return Ok(([(CONTENT_TYPE, media)], image).into_response());
            }
            Err(refusal) => refused = refused.or(Some(refusal)),
        }
    }
    Err(refused.unwrap_or_else(|| Refusal::nothing("there is nothing")))
}

async fn first_frame(
    wado: &Wado,
    instance: &Retrievable,
    wishes: Wishes,
    media: &'static str,
) -> Result<Bytes, Refusal> {
    let image = View::open(wado, instance).await?.render(wado, 1, wishes, media).await?;
    Ok(image.into())
}

/// A part for each instance that can be shown.
async fn of_all(
    wado: Wado,
    asking: Asking,
    wishes: Wishes,
    media: &'static str,
) -> Result<Response, Refusal> {
    let planned = instances(&wado, &asking.resource).await?;
    let boundary = wado.boundary()?;
    let render = move |instance: Retrievable| -> BoxFuture<'static, Result<Bytes, Refusal>> {
        let wado = wado.clone();
        async move { first_frame(&wado, &instance, wishes, media).await }.boxed()
    };
    let mut ahead = Ahead::new(planned, render);
    let mut passed = None;
    // Nothing is answered before the first is there: until then an error has a status of its own.
    let Some(first) = next_shown(&mut ahead, &mut passed).await? else {
        return Err(passed.unwrap_or_else(|| Refusal::nothing("there is nothing")));
    };
    let content_type = boundary.content_type(media);
    let body: Body = written(|pieces| async move {
        let mut given = Given::new(&asking);
        let sent = async {
            let mut next = Some(first);
            while let Some((instance, image)) = next {
                given.count(&instance);
                let path = resource_of(&asking.resource, &instance).path();
                let location = format!("{}/{path}/rendered", asking.base);
                let fields = [("Content-Type", media), ("Content-Location", location.as_str())];
                send_part(&pieces, boundary.part(&fields), image).await?;
                next = next_shown(&mut ahead, &mut passed).await.map_err(broken)?;
            }
            pieces.send(boundary.end()).await
        };
        let sent: Result<(), Broken> = sent.await;
        given.tell().await;
        (pieces, sent)
    });
    Ok(([(CONTENT_TYPE, content_type)], body).into_response())
}

/// The next instance that has a picture. What has none is passed over, as reports are, and the first reason kept; what
/// has one that cannot be had is not.
async fn next_shown<B, F>(
    ahead: &mut Ahead<Bytes, B>,
    passed: &mut Option<Refusal>,
) -> Result<Option<(Retrievable, Bytes)>, Refusal>
where
    B: Fn(Retrievable) -> F,
    F: Future<Output = Result<Bytes, Refusal>> + Send + 'static,
{
    while let Some((instance, image)) = ahead.next().await {
        match image {
            Ok(image) => return Ok(Some((instance, image))),
            Err(refusal) if refusal.is_not_acceptable() => {
                passed.get_or_insert(refusal);
            }
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(None)
}

async fn send_part(pieces: &Pieces, head: Bytes, image: Bytes) -> Result<(), Broken> {
    pieces.send(head).await?;
    pieces.send(image).await
}
