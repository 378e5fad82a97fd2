/** Where the app starts. */
import '@mantine/core/styles.css';
import './theme/global.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { configureApi } from '@/lib/api';
import '@/lib/i18n';
import { shareNonce } from '@/lib/nonce';
import { watchSiteFiles } from '@/lib/site-files';
import { App } from './app';

configureApi();
watchSiteFiles();
shareNonce();

const root = document.getElementById('root');
if (!root) throw new Error('the page has no #root');
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
