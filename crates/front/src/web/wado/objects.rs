//! Studies, series and instances as DICOM objects (PS3.18 section 10.4.1.1.1 to 10.4.1.1.3).

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, WARNING};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use outrigger_dataset::part10;
use outrigger_dicomweb::accept::{ObjectChoice, ObjectForm, Otherwise, Packaging};
use outrigger_dicomweb::media::DICOM;
use outrigger_dicomweb::multipart_writer::Boundary;

use super::Wado;
use super::ahead::Ahead;
use super::asking::{Asking, Resource};
use super::body::{Broken, Pieces, written};
use super::failure::failed;
use super::given::Given;
use super::opened::{Source, Unchanged};
use super::plan::{instances, resource_of, unlisted, unlisted_warning};
use crate::service::Retrievable;
use crate::versions::OneVersion;
use crate::web::Refusal;

const NOT_ACCEPTABLE: &str = "objects can be had as multipart/related; type=\"application/dicom\", or one alone as \
                              application/dicom, in the transfer syntax they are stored in, by transfer-syntax=*, or \
                              in one they can be turned into without loss";

/// One response of objects.
struct Objects {
    resource: Resource,
    base: String,
    forms: Vec<ObjectForm>,
    boundary: Boundary,
}

/// Gives the objects of a study, a series or an instance.
pub(super) async fn retrieve(mut wado: Wado, asking: Asking) -> Result<Response, Refusal> {
    let forms = ObjectForm::accepted(&asking.accept);
    let packaging =
        forms.first().map(|form| form.packaging).ok_or_else(|| Refusal::not_acceptable(NOT_ACCEPTABLE))?;
    let mut planned = instances(&wado, &asking.resource).await?;
    let unlisted = unlisted(&wado, &asking.resource, &planned).await?;
    let listed = planned.len();
    planned.retain(|instance| ObjectChoice::of(&forms, &instance.transfer_syntax).is_some());
    wado.retrieves(&planned);
    let (left_out, mut rest) = (listed - planned.len(), planned.into_iter());
    let first = rest.next().ok_or_else(|| Refusal::not_acceptable(NOT_ACCEPTABLE))?;
    if packaging == Packaging::Single && (left_out > 0 || rest.len() > 0) {
        let text = format!("{listed} objects do not fit into application/dicom; ask for multipart/related");
        return Err(Refusal::not_acceptable(&text));
    }
    let boundary = wado.boundary()?;
    let mut given = Given::new(&asking);
    let objects = Objects { resource: asking.resource, base: asking.base, forms, boundary };
    // Nothing is answered before the first is there: until then an error has a status of its own.
    let opened = wado.open_sound(&first).await?;
    let opened = objects.prepare(&wado, &first, opened).await?;
    if packaging == Packaging::Single {
        given.count(&first);
        return Ok(single(wado, &first, opened, given));
    }
    let content_type = objects.boundary.content_type(DICOM);
    let rest: Vec<Retrievable> = rest.collect();
    let body = written(|pieces| async move {
        let sent = objects.send_all(&wado, &pieces, (first, opened), rest, &mut given).await;
        given.tell().await;
        (pieces, sent)
    });
    Ok(multipart(&content_type, body, left_out, unlisted_warning(unlisted)))
}

fn multipart(content_type: &str, body: Body, left_out: usize, unlisted: Option<HeaderValue>) -> Response {
    let is_all = left_out == 0 && unlisted.is_none();
    let status = if is_all { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT };
    let mut response = (status, [(CONTENT_TYPE, content_type)], body).into_response();
    if left_out > 0 {
        let text = format!(
            "299 outrigger \"{left_out} objects cannot be had in the transfer syntaxes asked for and are left out\""
        );
        if let Ok(warning) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(WARNING, warning);
        }
    }
    if let Some(warning) = unlisted {
        response.headers_mut().append(WARNING, warning);
    }
    response
}

/// One object alone, whose length is known.
fn single(wado: Wado, instance: &Retrievable, source: Source, given: Given) -> Response {
    let header = meta(instance, &source);
    let length = header.len() as u64 + source.bytes.length();
    let content_type = content_type(&source);
    let body = written(|pieces| async move {
        let sent = send(&wado, &pieces, header, &source).await;
        given.tell().await;
        (pieces, sent)
    });
    let fields = [(CONTENT_TYPE, content_type), (CONTENT_LENGTH, length.to_string())];
    (fields, body).into_response()
}

fn content_type(source: &Source) -> String {
    format!("{DICOM}; transfer-syntax={}", source.transfer_syntax)
}

/// What stands before the data set in a file of PS3.10.
fn meta(instance: &Retrievable, source: &Source) -> Bytes {
    part10::file(&instance.sop_class, &instance.sop_instance, &source.transfer_syntax, &[]).into()
}

async fn send(wado: &Wado, pieces: &Pieces, header: Bytes, source: &Source) -> Result<(), Broken> {
    pieces.send(header).await?;
    wado.send(pieces, source).await
}

impl Objects {
    /// Turns an object into a transfer syntax that is accepted.
    async fn prepare(
        &self,
        wado: &Wado,
        instance: &Retrievable,
        mut source: Source,
    ) -> Result<Source, Refusal> {
        let (to, otherwise) = match ObjectChoice::of(&self.forms, &source.transfer_syntax) {
            None => return Err(Refusal::not_acceptable(NOT_ACCEPTABLE)),
            Some(ObjectChoice::AsStored) => return Ok(source),
            Some(ObjectChoice::Transcoded { to, otherwise }) => (to, otherwise),
        };
        let mut transcoded = wado.transcoded(&source, &to).await?;
        if let Err(Unchanged::Read(unread)) = &transcoded {
            source = wado.open_elsewhere(instance, unread).await?;
            if source.transfer_syntax == to {
                return Ok(source);
            }
            transcoded = wado.transcoded(&source, &to).await?;
        }
        match (transcoded, otherwise) {
            (Ok(transcoded), _) => Ok(transcoded),
            (Err(Unchanged::Read(error)), _) => Err(failed("the instance cannot be read", &error)),
            (Err(error), Otherwise::AsStored) => {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(instance = %instance.sop_instance, error, "an object goes out as it is stored");
                Ok(source)
            }
            (Err(error), Otherwise::Refused) => {
                let text = format!("{} cannot be had in {to}: {error}", instance.sop_instance);
                Err(Refusal::not_acceptable(&text))
            }
        }
    }

    async fn send_all(
        &self,
        wado: &Wado,
        pieces: &Pieces,
        (first, opened): (Retrievable, Source),
        rest: Vec<Retrievable>,
        given: &mut Given,
    ) -> Result<(), Broken> {
        let mut versions = OneVersion::default();
        let mut admit = |instance: &Retrievable, source: &Source| {
            let admitted = versions.admit(instance.series.as_ref(), &source.provenance);
            admitted.map_err(|mixed| Broken::Failed(format!("{}: {mixed}", instance.sop_instance)))
        };
        admit(&first, &opened)?;
        given.count(&first);
        self.send_part(wado, pieces, &first, opened).await?;
        let opener = wado.clone();
        let mut ahead = Ahead::new(rest, move |instance| {
            let wado = opener.clone();
            async move { wado.open_sound(&instance).await }
        });
        while let Some((instance, opened)) = ahead.next().await {
            let source = match opened {
                Ok(opened) => self.prepare(wado, &instance, opened).await,
                Err(refusal) => Err(refusal),
            };
            let source = source.map_err(|refusal| {
                Broken::Failed(format!("{} cannot be given: {}", instance.sop_instance, refusal.text()))
            })?;
            admit(&instance, &source)?;
            given.count(&instance);
            self.send_part(wado, pieces, &instance, source).await?;
        }
        pieces.send(self.boundary.end()).await
    }

    async fn send_part(
        &self,
        wado: &Wado,
        pieces: &Pieces,
        instance: &Retrievable,
        source: Source,
    ) -> Result<(), Broken> {
        let header = meta(instance, &source);
        let location = format!("{}/{}", self.base, resource_of(&self.resource, instance).path());
        let length = (header.len() as u64 + source.bytes.length()).to_string();
        let fields = [
            ("Content-Type", content_type(&source)),
            ("Content-Length", length),
            ("Content-Location", location),
        ];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        let head = [self.boundary.part(&fields), header].concat();
        send(wado, pieces, head.into(), &source).await
    }
}

impl Wado {
    /// A boundary of its own for a response.
    pub(super) fn boundary(&self) -> Result<Boundary, Refusal> {
        let random = self.random.u128();
        random.map(Boundary::new).map_err(|error| failed("there is no randomness for a boundary", &error))
    }
}
