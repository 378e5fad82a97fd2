/**
 * Client of a Lamplighter server. Start with {@link Client}: `run` gives the output of one job;
 * `submit`, `wait` and `stream` are its parts.
 *
 * `lamplighter/generated` is made from the server's OpenAPI document and holds every operation and type;
 * this package only adds what a document cannot say: waiting, streaming and trying again.
 */
export { Client, type ClientOptions, type Input, type RunOptions, type SubmitOptions } from './client.js';
export { ApiError, JobFailed, LamplighterError, StreamLost, WaitTimeout } from './errors.js';
export type { JobEvent } from './events.js';
export type { CreateJob, Job } from './generated/types.gen.js';
