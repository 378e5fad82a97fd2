/** The palette: warm neutrals and one accent, amber. Contrast is held by axe in the browser tests. */
import type { MantineColorsTuple } from '@mantine/core';

export const amber: MantineColorsTuple = [
  '#fff8eb',
  '#feeecd',
  '#fdde9f',
  '#fbc968',
  '#f8b53c',
  '#f5a524',
  '#db8a0f',
  '#b06a0b',
  '#8a4f0d',
  '#6b3d0e',
];

export const gray: MantineColorsTuple = [
  '#faf9f7',
  '#f4f2ee',
  '#e9e6e0',
  '#dcd8d0',
  '#c6c1b7',
  '#a39d92',
  '#7b756b',
  '#57524a',
  '#38342e',
  '#211e1a',
];

export const dark: MantineColorsTuple = [
  '#e8e5df',
  '#c9c5bc',
  '#a8a399',
  '#7d786e',
  '#4a463f',
  '#36332d',
  '#292722',
  '#1c1a17',
  '#151311',
  '#0e0d0b',
];
