// A workstation made of dcmjs-dimse. One step after another, it prints a line of JSON for each of what it was answered and what it received:
//
//   node client.mjs HOST PORT CALLED DESTINATION DESTINATION_PORT FILES STUDY...
//
// It stores the files of a directory, asks for commitment to them, and for each study finds it, its series and its instances,
// retrieves it by C-GET and has it moved to a listener of its own.
import { createRequire } from 'node:module';
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const { Client, Server, Scp, Dataset, requests, responses, constants, log } =
  createRequire(`${process.env.OUTRIGGER_DCMJS}/`)('dcmjs-dimse');
const { CStoreRequest, CFindRequest, CGetRequest, CMoveRequest, NActionRequest } = requests;
const { CStoreResponse, NEventReportResponse } = responses;
const { Status, SopClass, PresentationContextResult } = constants;

const [host, port, called, destination, listening, files, ...studies] = process.argv.slice(2);
const CALLING = 'CT1';
// The instance of the Storage Commitment Push Model (PS3.4 section J.3.5).
const COMMITMENT_INSTANCE = '1.2.840.10008.1.20.1.1';
const TRANSACTION = '1.2.9.77';
// The association is kept for so long after the last answer, so that the report can come over it.
const REPORT_WAIT_MS = 8_000;
log.setLevel(log.levels.SILENT);

// What is told of an object: enough to see that it came whole and that its text was understood.
const seen = dataset => {
  const elements = dataset.getElements();
  const pixels = [elements.PixelData ?? []].flat();
  const hash = createHash('sha256');
  pixels.forEach(piece => hash.update(Buffer.from(piece)));
  return {
    instance: elements.SOPInstanceUID,
    study: elements.StudyInstanceUID,
    name: names(elements.PatientName),
    description: elements.StudyDescription,
    pixels: pixels.length === 0 ? null : hash.digest('hex'),
  };
};

// dcmjs gives a person's name as an object of its groups.
const names = value => {
  const [name] = [value ?? ''].flat();
  if (typeof name === 'string') return name;
  return [name.Alphabetic, name.Ideographic, name.Phonetic].map(group => group ?? '').join('=').replace(/=+$/, '');
};

// Puts requests over one association; gives their responses, and what came meanwhile.
const put = (list, linger = 0) => new Promise((resolve, reject) => {
  const client = new Client();
  const came = { responses: list.map(() => []), objects: [], reports: [] };
  list.forEach((request, at) => {
    request.on('response', response => came.responses[at].push({
      status: response.getStatus(),
      dataset: response.hasDataset() ? response.getDataset()?.getElements() : undefined,
      counted: response.getCompleted ? [response.getCompleted(), response.getFailures(), response.getWarnings()] : undefined,
    }));
    client.addRequest(request);
  });
  client.on('cStoreRequest', (request, callback) => {
    came.objects.push(seen(request.getDataset()));
    const response = CStoreResponse.fromRequest(request);
    response.setStatus(Status.Success);
    callback(response);
  });
  client.on('nEventReportRequest', (request, callback) => {
    came.reports.push({ event: request.getEventTypeId(), dataset: request.getDataset().getElements() });
    const response = NEventReportResponse.fromRequest(request);
    response.setStatus(Status.Success);
    callback(response);
  });
  client.on('associationRejected', rejected => reject(new Error(`rejected: ${JSON.stringify(rejected)}`)));
  client.on('networkError', reject);
  client.on('closed', () => resolve(came));
  client.send(host, Number(port), CALLING, called, { associationLingerTimeout: linger });
});

const tell = line => console.log(JSON.stringify(line));

const store = async () => {
  const paths = readdirSync(files).sort().map(name => join(files, name));
  const stores = paths.map(path => new CStoreRequest(path));
  const { responses: answered } = await put(stores);
  tell({ step: 'store', statuses: answered.map(list => list.map(one => one.status)) });
  return stores.map(one => one.getDataset().getElements());
};

const commit = async stored => {
  const action = new NActionRequest(SopClass.StorageCommitmentPushModel, COMMITMENT_INSTANCE, 1);
  action.setDataset(new Dataset({
    TransactionUID: TRANSACTION,
    ReferencedSOPSequence: stored.map(one => ({
      ReferencedSOPClassUID: one.SOPClassUID, ReferencedSOPInstanceUID: one.SOPInstanceUID,
    })),
  }));
  const { responses: [answered], reports } = await put([action], REPORT_WAIT_MS);
  tell({
    step: 'commit',
    statuses: answered.map(one => one.status),
    reports: reports.map(({ event, dataset }) => ({
      event,
      transaction: dataset.TransactionUID,
      committed: [dataset.ReferencedSOPSequence ?? []].flat().map(one => one.ReferencedSOPInstanceUID).sort(),
      failed: [dataset.FailedSOPSequence ?? []].flat().map(one => one.ReferencedSOPInstanceUID).sort(),
    })),
  });
};

const find = async study => {
  const wanted = [
    CFindRequest.createStudyFindRequest({ StudyInstanceUID: study, PatientName: '', StudyDescription: '', NumberOfStudyRelatedInstances: '' }),
    CFindRequest.createSeriesFindRequest({ StudyInstanceUID: study, SeriesInstanceUID: '', Modality: '' }),
  ];
  const { responses: [of_study, of_series] } = await put(wanted);
  const matches = list => list.filter(one => one.status === Status.Pending).map(one => one.dataset);
  const series = matches(of_series);
  const images = await put(series.map(({ SeriesInstanceUID }) =>
    CFindRequest.createImageFindRequest({ StudyInstanceUID: study, SeriesInstanceUID, SOPInstanceUID: '' })));
  tell({
    step: 'find',
    study,
    ended: [of_study, of_series, ...images.responses].map(list => list.at(-1).status),
    matches: matches(of_study).map(one => ({
      study: one.StudyInstanceUID, name: names(one.PatientName), description: one.StudyDescription,
      instances: Number(one.NumberOfStudyRelatedInstances), retrieve: one.RetrieveAETitle,
    })),
    series: series.map(one => one.SeriesInstanceUID).sort(),
    instances: images.responses.flatMap(matches).map(one => one.SOPInstanceUID).sort(),
  });
};

const get = async study => {
  const { responses: [answered], objects } = await put([CGetRequest.createStudyGetRequest(study)]);
  tell({ step: 'get', study, ended: answered.at(-1).status, counted: answered.at(-1).counted, objects });
};

// Takes what is moved to it.
const arrived = [];
class Listener extends Scp {
  associationRequested(association) {
    association.getPresentationContexts().forEach(({ id }) => {
      const context = association.getPresentationContext(id);
      const [syntax] = context.getTransferSyntaxUids();
      context.setResult(PresentationContextResult.Accept, syntax);
    });
    this.sendAssociationAccept();
  }

  cStoreRequest(request, callback) {
    arrived.push(seen(request.getDataset()));
    const response = CStoreResponse.fromRequest(request);
    response.setStatus(Status.Success);
    callback(response);
  }

  associationReleaseRequested() {
    this.sendAssociationReleaseResponse();
  }
}

const move = async study => {
  const { responses: [answered] } = await put([CMoveRequest.createStudyMoveRequest(destination, study)]);
  const objects = arrived.splice(0);
  tell({ step: 'move', study, ended: answered.at(-1).status, counted: answered.at(-1).counted, objects });
};

const server = new Server(Listener);
server.on('networkError', error => { throw error; });
server.listen(Number(listening));
await commit(await store());
for (const study of studies) {
  await find(study);
  await get(study);
  await move(study);
}
server.close();
