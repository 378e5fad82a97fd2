/** Mantine's theme. Components are set here once, so that pages say only what differs. */
import { Anchor, Button, Card, createTheme, type CSSVariablesResolver, Loader, Paper } from '@mantine/core';
import { amber, dark, gray } from './colors';

export const theme = createTheme({
  colors: { amber, gray, dark },
  primaryColor: 'amber',
  primaryShade: { light: 5, dark: 5 },
  autoContrast: true,
  luminanceThreshold: 0.36,
  black: '#211e1a',
  defaultRadius: 'md',
  cursorType: 'pointer',
  respectReducedMotion: true,
  fontFamily:
    "'Inter Variable', system-ui, -apple-system, 'Segoe UI', 'PingFang TC', 'Hiragino Sans', 'Noto Sans CJK TC', 'Noto Sans CJK JP', sans-serif",
  fontFamilyMonospace:
    "ui-monospace, 'SF Mono', 'Cascadia Code', Menlo, Consolas, 'DejaVu Sans Mono', monospace",
  headings: { fontWeight: '650' },
  components: {
    Anchor: Anchor.extend({ defaultProps: { underline: 'always' } }),
    Button: Button.extend({ defaultProps: { fw: 600 } }),
    Card: Card.extend({ defaultProps: { withBorder: true, radius: 'lg', padding: 'lg' } }),
    Paper: Paper.extend({ defaultProps: { radius: 'lg' } }),
    Loader: Loader.extend({ defaultProps: { type: 'dots' } }),
    // Its heading is no banner of the page.
    Modal: {
      defaultProps: { radius: 'lg', centered: true, attributes: { header: { role: 'presentation' } } },
    },
    Drawer: { defaultProps: { attributes: { header: { role: 'presentation' } } } },
    Tooltip: { defaultProps: { withArrow: true, openDelay: 250 } },
  },
});

/** Colours of text that Mantine's own are too pale for, and the accent's where it is text and not a surface. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-body': '#fdfcfa',
    '--mantine-color-dimmed': gray[7],
    '--mantine-color-placeholder': gray[6],
    '--mantine-color-error': '#b42318',
    '--mantine-color-anchor': amber[8],
    '--mantine-color-amber-text': amber[8],
    '--mantine-color-amber-outline': amber[8],
    '--mantine-color-amber-light': amber[1],
    '--mantine-color-amber-light-hover': amber[2],
    '--mantine-color-amber-light-color': amber[9],
    '--mantine-color-teal-light-color': '#065f46',
    '--mantine-color-red-light-color': '#9b1c1c',
    '--mantine-color-red-outline': '#b42318',
    '--mantine-color-gray-light-color': gray[8],
    '--app-surface': '#ffffff',
    '--app-border': gray[2],
    '--app-subtle': gray[1],
  },
  dark: {
    '--mantine-color-body': dark[8],
    '--mantine-color-dimmed': dark[2],
    '--mantine-color-placeholder': dark[2],
    '--mantine-color-error': '#ff9b90',
    '--mantine-color-red-outline': '#ff9b90',
    '--mantine-color-anchor': amber[4],
    '--mantine-color-amber-text': amber[4],
    '--mantine-color-amber-outline': amber[4],
    '--mantine-color-amber-light-color': amber[3],
    '--app-surface': dark[7],
    '--app-border': dark[5],
    '--app-subtle': dark[6],
  },
});
