import { MantineProvider } from '@mantine/core';
import { renderToStaticMarkup } from 'react-dom/server';
import { describe, expect, it } from 'vitest';
import { PasswordField } from './password-field';

function draw(error?: string) {
  const html = renderToStaticMarkup(
    <MantineProvider>
      <PasswordField id="secret" label="Password" description="Twelve or more" error={error} />
    </MantineProvider>,
  );
  const input = /<input[^>]*>/.exec(html)?.[0] ?? '';
  const described = /aria-describedby="([^"]*)"/.exec(input)?.[1]?.split(/\s+/) ?? [];
  const textOf = (id: string) => new RegExp(`id="${id}"[^>]*>([^<]*)<`).exec(html)?.[1];
  return { input, described: described.map(textOf) };
}

describe('PasswordField', () => {
  it('tells screen readers of a fault', () => {
    const { input, described } = draw('Too short');
    expect(input).toContain('aria-invalid="true"');
    expect(described).toEqual(['Too short', 'Twelve or more']);
  });

  it('has nothing to tell without one', () => {
    const { input, described } = draw();
    expect(input).not.toContain('aria-invalid');
    expect(described).toEqual(['Twelve or more']);
  });
});
