/** Code of the guide that is the same for every model. */

export const checkToken = (server: string) => `curl -s ${server}/v1/token \\
  -H "Authorization: Bearer $LAMPLIGHTER_TOKEN"`;

export const install = `# Python 3.11 or newer
pip install ./sdk/python

# Node 20 or newer
npm --prefix sdk/typescript ci && npm --prefix sdk/typescript run build
npm install ./sdk/typescript`;

export const events = `id: 0-0
event: status
data: {"id":"job_…","status":"processing", …}

id: 1-1
event: progress
data: {"fraction":0.4,"stage":"reading"}

id: 1-2
event: output
data: {"index":0,"chunk":"Paris"}

id: 1-2
event: done
data: {"id":"job_…","status":"succeeded","output":{"text":"Paris."}, …}`;

export const resume = (server: string) => `curl -sN ${server}/v1/jobs/$JOB/events \\
  -H "Authorization: Bearer $LAMPLIGHTER_TOKEN" \\
  -H 'Last-Event-ID: 1-2'`;

export const problem = `{
  "type": "/docs/errors#validation_failed",
  "title": "The request does not fit its schema",
  "status": 422,
  "detail": "/input/texts/3: must have at least 1 character(s)",
  "code": "validation_failed",
  "request_id": "req_01a22b2090b472339b15e0959ad84cb2",
  "errors": [
    {
      "pointer": "/input/texts/3",
      "code": "too_short",
      "detail": "must have at least 1 character(s)"
    }
  ]
}`;
