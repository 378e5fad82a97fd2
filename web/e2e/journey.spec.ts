import { journey } from './journey';
import { test } from './test';

test('from registration to a revoked token', async ({ page, server }) => {
  await journey(page, server);
});
