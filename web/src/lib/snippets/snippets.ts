/** A job as code. The token comes from the environment, never from the text. */
import { toJson, toPython } from './literal';
import { type Media, mediaOf } from './media';

export const codeLanguages = ['curl', 'python', 'typescript', 'rust'] as const;
export type CodeLanguage = (typeof codeLanguages)[number];

export interface Call {
  server: string;
  model: string;
  /** Left out: the model's first one. */
  task?: string | undefined;
  input: Record<string, unknown>;
  /** What is done with the answer: waited for, followed as it comes, or made safe to repeat. */
  how: 'wait' | 'stream' | 'key';
  /** The token to use: its id, and what the person calls it. Nobody but them knows its secret. */
  token?: string | undefined;
}

/** The key of the examples: something of the caller's own that is the same at a second try. */
const KEY = 'report-2026-11-30';

/** Stands for the file, and is as long as one, until everything else is written. */
const HOLE = '\u0001'.repeat(60);

export function snippet(language: CodeLanguage, call: Call): string {
  const code = { curl, python, typescript, rust }[language](call);
  if (!call.token) return code;
  const remark = language === 'curl' || language === 'python' ? '#' : '//';
  return `${remark} LAMPLIGHTER_TOKEN: ${call.token.replaceAll(/\s+/g, ' ')}\n${code}`;
}

function body({ model, task, input }: Call) {
  return { model, ...(task ? { task } : {}), input };
}

function namesOf(media: Media | undefined, name = media?.name): Map<unknown, string> {
  return new Map(media && name ? [[media.value, name]] : []);
}

function curl(call: Call): string {
  const media = mediaOf(call.input);
  const filled = media && `"${media.prefix}$(base64 < ${media.file} | tr -d '\\n')"`;
  // Where the shell reads the file, it would read what is special to it in the rest of the text, too.
  const escape = (json: string) => (media ? json.replaceAll(/[\\$`]/g, '\\$&') : json);
  const json = escape(toJson(body(call), namesOf(media, HOLE))).replace(HOLE, () => filled ?? HOLE);
  const mark = media ? 'JSON' : "'JSON'";
  const header = {
    wait: "-H 'Prefer: wait=60'",
    stream: "-H 'Accept: text/event-stream'",
    key: `-H 'Prefer: wait=60' -H 'Idempotency-Key: ${KEY}'`,
  }[call.how];
  return `curl -s${call.how === 'stream' ? 'N' : ''} ${call.server}/v1/jobs \\
  -H "Authorization: Bearer $LAMPLIGHTER_TOKEN" \\
  -H 'Content-Type: application/json' \\
  ${header} \\
  --data-binary @- <<${mark}
${json}
JSON`;
}

function python(call: Call): string {
  const media = mediaOf(call.input);
  const names = namesOf(media);
  const imports = media ? 'from base64 import b64encode\nfrom pathlib import Path\n\n' : '';
  const read = media
    ? `${media.name} = "${media.prefix}" + b64encode(Path("${media.file}").read_bytes()).decode()\n`
    : '';
  const task = call.task ? `, task=${JSON.stringify(call.task)}` : '';
  const model = JSON.stringify(call.model);
  const client = `client = Client("${call.server}")  # LAMPLIGHTER_TOKEN`;
  const input = toPython(call.input, names);
  const uses = call.how === 'stream' ? 'Client, Output' : 'Client';
  const then = {
    wait: `output = client.run(${model}, ${input}${task})\nprint(output)`,
    key: `output = client.run(${model}, ${input}${task}, idempotency_key="${KEY}")\nprint(output)`,
    stream: `job = client.submit(${model}, ${input}${task})
for event in client.stream(job):
    if isinstance(event, Output):
        print(event.chunk, end="", flush=True)`,
  }[call.how];
  return `${imports}from lamplighter import ${uses}

${client}
${read}${then}`;
}

function typescript(call: Call): string {
  const media = mediaOf(call.input);
  const imports = media ? "import { readFile } from 'node:fs/promises';\n" : '';
  const read = media
    ? `const ${media.name} = '${media.prefix}' + (await readFile('${media.file}')).toString('base64');\n`
    : '';
  const options = [
    ...(call.task ? [`task: '${call.task}'`] : []),
    ...(call.how === 'key' ? [`idempotencyKey: '${KEY}'`] : []),
  ];
  const given = `'${call.model}', ${toJson(call.input, namesOf(media))}${
    options.length > 0 ? `, { ${options.join(', ')} }` : ''
  }`;
  const then =
    call.how === 'stream'
      ? `const job = await client.submit(${given});
for await (const event of client.stream(job)) {
  if (event.type === 'output') process.stdout.write(String(event.chunk));
}`
      : `const output = await client.run(${given});
console.log(output);`;
  return `${imports}import { Client } from 'lamplighter';

const client = new Client({ server: '${call.server}' }); // LAMPLIGHTER_TOKEN
${read}${then}`;
}

function rust(call: Call): string {
  const media = mediaOf(call.input);
  const stream = call.how === 'stream';
  const uses = [
    ...(media ? ['use base64::{Engine, engine::general_purpose::STANDARD};'] : []),
    ...(stream ? ['use std::io::{BufRead, BufReader};\n'] : []),
    'use serde_json::{Value, json};',
  ].join('\n');
  const read = media
    ? `    let ${media.name} = format!("${media.prefix}{}", STANDARD.encode(std::fs::read("${media.file}")?));\n`
    : '';
  const header = {
    wait: '        .header("Prefer", "wait=60")\n',
    stream: '        .header("Accept", "text/event-stream")\n',
    key: `        .header("Prefer", "wait=60")\n        .header("Idempotency-Key", "${KEY}")\n`,
  }[call.how];
  const then = stream
    ? `    let mut event = String::new();
    for line in BufReader::new(answer).lines() {
        let line = line?;
        if let Some(name) = line.strip_prefix("event: ") {
            event = name.to_owned();
        } else if let Some(data) = line.strip_prefix("data: ").filter(|_| event == "output") {
            let piece: Value = serde_json::from_str(data)?;
            print!("{}", piece["chunk"].as_str().unwrap_or_default());
        }
    }`
    : `    let job: Value = answer.json()?;
    println!("{:#}", job["output"]);`;
  const cargo = ['reqwest --features blocking,json', 'serde_json', ...(media ? ['base64'] : [])];
  return `${cargo.map((crate) => `// cargo add ${crate}`).join('\n')}
${uses}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let token = std::env::var("LAMPLIGHTER_TOKEN")?;
${read}    let body = json!(${toJson(body(call), namesOf(media), '    ')});
    let client = reqwest::blocking::Client::builder().timeout(None).build()?;
    let answer = client
        .post("${call.server}/v1/jobs")
        .bearer_auth(token)
${header}        .json(&body)
        .send()?
        .error_for_status()?;
${then}
    Ok(())
}`;
}
