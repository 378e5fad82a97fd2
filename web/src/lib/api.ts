/** The generated client, set up for the browser. Import operations from `@/api/generated`, never `fetch`. */
import { client } from '@/api/generated/client.gen';
import { i18n } from './i18n';
import { ApiError } from './problem';
import { noteFailure } from './session';

export function configureApi() {
  client.setConfig({ baseUrl: '', credentials: 'same-origin' });
  client.interceptors.request.use((request) => {
    request.headers.set('Accept-Language', i18n.language);
    return request;
  });
  client.interceptors.error.use((error, response) => {
    if (!response || response.ok) return error;
    const failure = ApiError.of(response, error);
    noteFailure(failure);
    return failure;
  });
}
