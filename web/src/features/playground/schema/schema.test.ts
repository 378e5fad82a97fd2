import { describe, expect, it } from 'vitest';
import { describeForm } from './fields';
import { readSchema } from './json-schema';
import { validate } from './validate';
import { FREE, toInput, toValues } from './values';

const text = { type: 'string', minLength: 1, maxLength: 32_000 };

const embedding = describeForm(
  readSchema({
    type: 'object',
    additionalProperties: false,
    oneOf: [{ required: ['texts'] }, { required: ['text'] }],
    properties: {
      normalise: { type: 'boolean' },
      prefix: { type: 'string', maxLength: 200 },
      text,
      texts: { type: 'array', items: text, minItems: 1, maxItems: 3 },
      truncate: { type: 'boolean', default: true },
    },
  }),
);

const chat = describeForm(
  readSchema({
    type: 'object',
    additionalProperties: false,
    required: ['messages'],
    properties: {
      messages: {
        type: 'array',
        minItems: 1,
        maxItems: 256,
        items: {
          type: 'object',
          properties: { role: { enum: ['system', 'user'] }, content: { type: 'string', maxLength: 10 } },
        },
      },
      max_tokens: { type: 'integer', minimum: 1, maximum: 8192, default: 256 },
      response_format: { type: 'object', properties: {} },
      stop: {
        anyOf: [{ type: 'string' }, { type: 'array', maxItems: 2, items: { type: 'string', minLength: 1 } }],
      },
      seed: { type: 'integer' },
    },
  }),
);

const picture = { type: 'string', contentEncoding: 'base64', pattern: '^data:', maxLength: 40 };
const image = describeForm(
  readSchema({
    type: 'object',
    additionalProperties: false,
    required: ['image'],
    properties: { image: picture },
  }),
);

const kinds = (form: typeof chat) =>
  [...form.main, ...form.options].map(({ name, kind }) => `${name}: ${kind}`);

describe('describeForm', () => {
  it('takes the first of alternatives', () => {
    expect(kinds(embedding)).toEqual([
      'texts: texts',
      'normalise: switch',
      'prefix: text',
      'truncate: switch',
    ]);
    expect(embedding.main).toHaveLength(1);
  });

  it('tells conversations, lists that may be one text, and what is left to JSON', () => {
    expect(kinds(chat)).toEqual([
      'messages: messages',
      'max_tokens: number',
      'response_format: json',
      'seed: number',
      'stop: labels',
    ]);
  });

  it('tells pictures from sounds', () => {
    const sound = { ...picture, description: 'A data URL (`data:audio/wav;base64,…`)' };
    const form = describeForm(
      readSchema({ type: 'object', additionalProperties: false, required: ['a'], properties: { a: sound } }),
    );
    expect(kinds(form)).toEqual(['a: audio']);
    expect(kinds(image)).toEqual(['image: image']);
  });

  it('leaves what takes anything, or is no schema, to JSON', () => {
    expect(describeForm(readSchema({ type: 'object', properties: { a: {} } })).free).toBe(true);
    expect(describeForm(readSchema('nonsense')).free).toBe(true);
  });
});

describe('toInput', () => {
  it('leaves out what was left as it is', () => {
    const values = { texts: ['a'], prefix: '', truncate: false };
    expect(toInput(embedding, values)).toEqual({ texts: ['a'], truncate: false });
  });

  it('gives back what toValues was given', () => {
    const input = {
      messages: [{ role: 'user', content: 'hi' }],
      response_format: { type: 'text' },
      stop: ['.'],
    };
    expect(toInput(chat, toValues(chat, input))).toEqual(input);
    const free = describeForm({});
    expect(toInput(free, toValues(free, { any: [1] }))).toEqual({ any: [1] });
  });
});

describe('validate', () => {
  it.each([
    [embedding, {}, { '/texts': { code: 'required' } }],
    [embedding, { texts: ['a', ''] }, { '/texts/1': { code: 'required' } }],
    [embedding, { texts: ['a', 'b', 'c', 'd'] }, { '/texts': { code: 'tooMany', limit: 3 } }],
    [embedding, { texts: ['a'.repeat(32_001)] }, { '/texts/0': { code: 'tooLong', limit: 32_000 } }],
    [embedding, { texts: ['🏮'.repeat(32_000)] }, {}],
    [chat, { messages: [{ role: 'user', content: '' }] }, { '/messages/0/content': { code: 'required' } }],
    [
      chat,
      { messages: [{ role: 'user', content: 'hi' }], max_tokens: 0 },
      { '/max_tokens': { code: 'tooSmall', limit: 1 } },
    ],
    [
      chat,
      { messages: [{ role: 'user', content: 'hi' }], max_tokens: 1.5 },
      { '/max_tokens': { code: 'notWhole' } },
    ],
    [
      chat,
      { messages: [{ role: 'user', content: 'hi' }], response_format: '{' },
      { '/response_format': { code: 'notJson' } },
    ],
    [
      chat,
      { messages: [{ role: 'user', content: 'hi' }], stop: ['a', 'b', 'c'] },
      { '/stop': { code: 'tooMany', limit: 2 } },
    ],
    [image, { image: `data:${'a'.repeat(40)}` }, { '/image': { code: 'mediaTooLarge', limit: 30 } }],
    [describeForm({}), { [FREE]: '[1]' }, { '': { code: 'notJson' } }],
    [describeForm({}), { [FREE]: '{}' }, {}],
  ])('%#', (form, values, faults) => {
    expect(validate(form, values)).toEqual(faults);
  });
});
