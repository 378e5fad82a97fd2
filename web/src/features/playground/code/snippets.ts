/** The same job as code. A picture or a sound becomes a file to read; the token comes from the environment. */
import { toJson, toPython } from './literal';

export interface SnippetJob {
  server: string;
  model: string;
  task?: string | undefined;
  input: Record<string, unknown>;
  /** What the person calls the token to use. */
  token?: string | undefined;
}

export type CodeLanguage = 'curl' | 'python' | 'typescript' | 'rust';

interface Media {
  name: string;
  file: string;
  prefix: string;
}

export function snippet(language: CodeLanguage, job: SnippetJob): string {
  return { curl, python, typescript, rust }[language](job);
}

function note(mark: string, { token }: SnippetJob): string {
  return token ? `${mark} LAMPLIGHTER_TOKEN: ${token.replaceAll(/\s+/g, ' ')}\n` : '';
}

/** The medium of the input; texts that name it, by its value. */
function mediaOf(input: Record<string, unknown>): { media: Media | undefined; names: Map<unknown, string> } {
  for (const [name, value] of Object.entries(input)) {
    const type = typeof value === 'string' ? /^data:\w+\/([\w.+-]+);base64,/.exec(value) : null;
    if (type) {
      const media = { name, file: `${name}.${(type[1] ?? 'bin').replace('jpeg', 'jpg')}`, prefix: type[0] };
      return { media, names: new Map([[value, name]]) };
    }
  }
  return { media: undefined, names: new Map() };
}

function body({ model, task, input }: SnippetJob) {
  return { model, ...(task ? { task } : {}), input };
}

function curl(job: SnippetJob): string {
  const { media, names } = mediaOf(job.input);
  const escape = (text: string) => (media ? text.replaceAll(/[\\$`]/g, '\\$&') : text);
  const placeholder = '\u0002';
  const json = escape(toJson(body(job), '', new Map([...names.keys()].map((value) => [value, placeholder]))));
  const filled = media
    ? json.replace(placeholder, () => `"${media.prefix}$(base64 -w0 ${media.file})"`)
    : json;
  const end = media ? 'JSON' : "'JSON'";
  return `${note('#', job)}curl -s ${job.server}/v1/jobs \\
  -H "Authorization: Bearer $LAMPLIGHTER_TOKEN" \\
  -H 'Content-Type: application/json' \\
  -H 'Prefer: wait=60' \\
  --data-binary @- <<${end}
${filled}
JSON
`;
}

function python(job: SnippetJob): string {
  const { media, names } = mediaOf(job.input);
  const read = media
    ? `${media.name} = "${media.prefix}" + b64encode(Path("${media.file}").read_bytes()).decode()\n`
    : '';
  const imports = media ? 'from base64 import b64encode\nfrom pathlib import Path\n\n' : '';
  const task = job.task ? `, task=${JSON.stringify(job.task)}` : '';
  const input = toPython(job.input, '', names);
  return `${note('#', job)}${imports}from lamplighter import Client

client = Client("${job.server}")  # and the token in LAMPLIGHTER_TOKEN
${read}output = client.run(${JSON.stringify(job.model)}, ${input}${task})
print(output)
`;
}

function typescript(job: SnippetJob): string {
  const { media, names } = mediaOf(job.input);
  const imports = media ? "import { readFile } from 'node:fs/promises';\n" : '';
  const read = media
    ? `const ${media.name} = '${media.prefix}' + (await readFile('${media.file}')).toString('base64');\n`
    : '';
  const task = job.task ? `, { task: ${JSON.stringify(job.task)} }` : '';
  const input = toJson(job.input, '', names);
  return `${note('//', job)}${imports}import { Client } from 'lamplighter';

const client = new Client({ server: '${job.server}' }); // and the token in LAMPLIGHTER_TOKEN
${read}const output = await client.run(${JSON.stringify(job.model)}, ${input}${task});
console.log(output);
`;
}

function rust(job: SnippetJob): string {
  const { media, names } = mediaOf(job.input);
  const read = media
    ? `    let ${media.name} = format!("${media.prefix}{}", STANDARD.encode(std::fs::read("${media.file}")?));\n`
    : '';
  const imports = media ? 'use base64::{Engine, engine::general_purpose::STANDARD};\n' : '';
  return `${note('//', job)}// cargo add reqwest --features blocking,json && cargo add serde_json${media ? ' base64' : ''}
${imports}use std::time::Duration;

use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let token = std::env::var("LAMPLIGHTER_TOKEN")?;
${read}    let body = json!(${toJson(body(job), '    ', names)});
    let job: Value = reqwest::blocking::Client::new()
        .post("${job.server}/v1/jobs")
        .timeout(Duration::from_secs(90))
        .bearer_auth(token)
        .header("Prefer", "wait=60")
        .json(&body)
        .send()?
        .error_for_status()?
        .json()?;
    println!("{:#}", job["output"]);
    Ok(())
}
`;
}
