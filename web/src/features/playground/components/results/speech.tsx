/** A recording with what is said in it; a press on a part plays it. */
import { Stack, Text, UnstyledButton } from '@mantine/core';
import { useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useFormat } from '@/lib/use-format';
import type { ResultOf, Segment } from '../../results/result-kind';
import classes from './results.module.css';

interface SpeechProps {
  data: ResultOf<'speech'>;
  audio: string;
}

export default function Speech({ data: { segments, text, duration, language }, audio }: SpeechProps) {
  const { t, i18n } = useTranslation('playground');
  const player = useRef<HTMLAudioElement>(null);
  const [now, setNow] = useState(0);
  const length = duration ?? segments.at(-1)?.end ?? 0;
  const play = ({ start }: Segment) => {
    if (!player.current) return;
    player.current.currentTime = start;
    void player.current.play();
  };
  return (
    <Stack gap="md">
      {audio && (
        <audio
          ref={player}
          controls
          src={audio}
          className={classes.audio}
          aria-label={t('result.recording')}
          onTimeUpdate={({ currentTarget }) => setNow(currentTarget.currentTime)}
        />
      )}
      <Strip segments={segments} length={length} now={now} />
      {text && <Text className={classes.transcript}>{text}</Text>}
      {segments.length === 0 && <Text c="dimmed">{t('result.silence')}</Text>}
      <ol className={classes.segments} aria-label={t('result.segments')}>
        {segments.map((segment, at) => (
          <li key={at}>
            <UnstyledButton
              className={classes.segment}
              data-active={now >= segment.start && now < segment.end}
              onClick={() => play(segment)}
            >
              <SegmentText segment={segment} />
            </UnstyledButton>
          </li>
        ))}
      </ol>
      {language && (
        <Text size="xs" c="dimmed">
          {t('result.language', { language: languageName(language, i18n.language) })}
        </Text>
      )}
    </Stack>
  );
}

function SegmentText({ segment: { start, end, text, confidence } }: { segment: Segment }) {
  const { t } = useTranslation('playground');
  const format = useFormat();
  return (
    <>
      <span className={`${classes.times} tabular`}>
        {clock(start)} – {clock(end)}
      </span>
      <span>
        {text ?? t('result.voice')}
        {confidence !== undefined && ` · ${format.percent(confidence, 0)}`}
      </span>
    </>
  );
}

/** The whole recording as a strip, with the parts where somebody speaks. */
function Strip({ segments, length, now }: { segments: Segment[]; length: number; now: number }) {
  if (length <= 0) return null;
  return (
    <svg viewBox={`0 0 ${length} 1`} preserveAspectRatio="none" className={classes.strip} aria-hidden>
      {segments.map(({ start, end }, at) => (
        <rect key={at} x={start} y={0} width={end - start} height={1} />
      ))}
      <line x1={now} x2={now} y1={0} y2={1} className={classes.playhead} />
    </svg>
  );
}

/** In words of the reader's language where it has one. */
function languageName(code: string, reader: string): string {
  try {
    return new Intl.DisplayNames([reader], { type: 'language' }).of(code) ?? code;
  } catch {
    return code;
  }
}

function clock(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${(seconds % 60).toFixed(1).padStart(4, '0')}`;
}
