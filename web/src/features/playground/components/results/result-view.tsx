/** The view of an output. Each kind is loaded when it is first needed. */
import { Skeleton } from '@mantine/core';
import { lazy, Suspense, useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { JobState } from '@/lib/job-stream/state';
import { cosineMatrix } from '../../results/cosine';
import { readResult, readSegments } from '../../results/result-kind';
import { textOf, textsOf } from '../../schema/values';
import { JsonView } from '@/components/json/json-view';
import { Writing } from './writing';

const HeatMap = lazy(() => import('./heat-map'));
const LabelBars = lazy(() => import('./label-bars'));
const Ranking = lazy(() => import('./ranking'));
const Faces = lazy(() => import('./faces'));
const Lines = lazy(() => import('./lines'));
const Mrz = lazy(() => import('./mrz'));
const Speech = lazy(() => import('./speech'));

interface ResultViewProps {
  state: JobState;
  input: Record<string, unknown>;
}

export function ResultView({ state, input }: ResultViewProps) {
  const output = state.job?.output;
  const writing = useMemo(() => writingOf(output, state.text), [output, state.text]);
  // One and the same while it is written and after: a live region that is replaced is not read out.
  if (writing) return <Writing {...writing} prompt={textOf(input.prompt)} />;
  return (
    <Suspense fallback={<Skeleton h={220} radius="md" />}>
      {output === undefined ? (
        <PartialView pieces={state.pieces} input={input} />
      ) : (
        <WholeView output={output} input={input} />
      )}
    </Suspense>
  );
}

/** What is a text, or becomes one. */
function writingOf(output: unknown, soFar: string) {
  if (output === undefined) return soFar ? { text: soFar, writing: true } : undefined;
  const result = readResult(output);
  if (result.kind !== 'writing') return undefined;
  return { text: result.data.text, finish: result.data.finish_reason, writing: false };
}

/** What has come so far. */
function PartialView({ pieces, input }: { pieces: unknown[]; input: Record<string, unknown> }) {
  const segments = readSegments(pieces);
  if (segments.length > 0) return <Speech data={{ segments }} audio={textOf(input.audio)} />;
  return pieces.length > 0 ? <PlainView value={pieces} /> : null;
}

/** Outputs without a view of their own. */
function PlainView({ value }: { value: unknown }) {
  const { t } = useTranslation('playground');
  return <JsonView value={value} label={t('result.result')} />;
}

function WholeView({ output, input }: { output: unknown; input: Record<string, unknown> }) {
  const result = readResult(output);
  const texts = typeof input.text === 'string' ? [input.text] : textsOf(input.texts);
  const image = textOf(input.image);
  switch (result.kind) {
    case 'embeddings':
      return (
        <HeatMap
          matrix={cosineMatrix(result.data.embeddings)}
          texts={texts}
          vectors={result.data.embeddings}
        />
      );
    case 'similarity':
      return <HeatMap matrix={result.data.matrix} texts={texts} />;
    case 'textLabels':
      return (
        <LabelBars groups={result.data.results.map(({ labels }, at) => ({ labels, text: texts[at] }))} />
      );
    case 'labels':
      return <LabelBars groups={[{ labels: result.data.labels }]} image={image} />;
    case 'ranking':
      return <Ranking scores={result.data.scores} texts={texts} />;
    case 'faces':
      return <Faces data={result.data} image={image} />;
    case 'lines':
      return <Lines data={result.data} image={image} />;
    case 'mrz':
      return <Mrz data={result.data} image={image} />;
    case 'speech':
      return <Speech data={result.data} audio={textOf(input.audio)} />;
    case 'writing':
    case 'json':
      return <PlainView value={output} />;
  }
}
