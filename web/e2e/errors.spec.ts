import { AWAY } from './away';
import * as flows from './flows';
import { newPerson, PASSWORD } from './people';
import { expect, test } from './test';

test('the server goes away while a page is open: it is said, and a run works again later', async ({
  contextFor,
  server,
  watch,
}) => {
  watch.expect(...AWAY);
  const page = await (await contextFor(await newPerson(server, 'unlucky'))).newPage();
  await flows.openPlayground(page, 'echo');
  await page.getByLabel('Input').fill('{"lamp": "still lit"}');
  await server.stopServing();
  const run = page.getByRole('button', { name: 'Run', exact: true });
  await run.click();
  await expect(page.getByRole('alert')).toContainText("The server can't be reached.");
  await expect(page.getByLabel('Input')).toHaveValue('{"lamp": "still lit"}');
  await server.serveAgain();
  await run.click();
  await expect(flows.runStatus(page)).toContainText('Succeeded');
  await expect(page.getByRole('alert')).toHaveCount(0);
});

test('a browser that thinks it is offline works with a server on its own machine', async ({
  contextFor,
  server,
}) => {
  const page = await (await contextFor(await newPerson(server, 'cabin'))).newPage();
  await flows.openPlayground(page, 'echo');
  await page.getByLabel('Input').fill('{"lamp": "in the cabin"}');
  await page.evaluate(() => {
    Object.defineProperty(navigator, 'onLine', { value: false });
    dispatchEvent(new Event('offline'));
  });
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(flows.runStatus(page)).toContainText('Succeeded');
  await page.getByRole('link', { name: 'Jobs', exact: true }).click();
  await expect(page.getByRole('table').getByRole('link', { name: 'echo' })).toBeVisible();
});

test('a page that is opened meanwhile says so, and can be tried again', async ({
  contextFor,
  server,
  watch,
}) => {
  watch.expect(...AWAY);
  const page = await (await contextFor(await newPerson(server, 'early'))).newPage();
  await page.goto('/jobs');
  await expect(page.getByText('No jobs yet')).toBeVisible();
  // Its code is here already.
  await page.getByRole('link', { name: 'Tokens' }).click();
  await expect(page.getByText('No tokens yet')).toBeVisible();
  await page.getByRole('link', { name: 'Jobs', exact: true }).click();
  await server.stopServing();
  await page.getByRole('link', { name: 'Usage' }).click();
  await expect(page.getByRole('alert').first()).toContainText('Try again', { timeout: 60_000 });
  await server.serveAgain();
  await page.getByRole('button', { name: 'Try again' }).first().click();
  await expect(page.getByRole('heading', { name: 'Usage', level: 1 })).toBeVisible();
  await expect(page.getByRole('alert')).toHaveCount(0);
});

test('what is live says that it is not, and is again by itself', async ({
  contextFor,
  server,
  admin,
  watch,
}) => {
  watch.expect(...AWAY);
  const page = await (await contextFor(admin)).newPage();
  await page.goto('/admin/fleet');
  await expect(page.getByText('Live', { exact: true })).toBeVisible();
  await server.stopServing();
  await expect(page.getByText('No connection, trying again')).toBeVisible({ timeout: 60_000 });
  await server.serveAgain();
  await expect(page.getByText('Live', { exact: true })).toBeVisible({ timeout: 60_000 });
});

test('an address that nobody knows leads home', async ({ page }) => {
  await page.goto('/nowhere/at/all');
  await expect(page.getByRole('heading', { name: 'There is nothing here' })).toBeVisible();
  await page.getByRole('link', { name: 'Go to the home page' }).click();
  await expect(page).toHaveURL(/\/$/);
  await expect(page.getByRole('heading', { level: 1 })).not.toHaveText('There is nothing here');
});

test('a job that is not there, or of somebody else, is said not to be found', async ({
  contextFor,
  server,
  member,
  watch,
}) => {
  watch.expect(/v1\/jobs\/.*status of 404/);
  const { data } = (await (await member.api.get('/v1/jobs')).json()) as { data: { id: string }[] };
  const page = await (await contextFor(await newPerson(server, 'stranger'))).newPage();
  await page.goto(`/jobs/${data[0]?.id}`);
  await expect(page.getByRole('heading', { name: "This job can't be found", level: 1 })).toBeVisible();
  await expect(page.getByRole('main').getByText("This job can't be found")).toHaveCount(1);
});

test('a guest who wants to see tokens logs in first and gets there', async ({ page, server }) => {
  const { email } = await newPerson(server, 'keeper');
  await page.goto('/tokens');
  await expect(page).toHaveURL(/\/login\?next=%2Ftokens$/);
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel(/^Password/).fill(PASSWORD);
  await page.getByRole('main').getByRole('button', { name: 'Log in' }).click();
  await expect(page).toHaveURL(/\/tokens$/);
  await expect(page.getByText('No tokens yet')).toBeVisible();
});

test('after an upgrade the files of an open page are gone: it is loaded anew, once', async ({
  contextFor,
  server,
  watch,
}) => {
  watch.expect(/status of 404/, /Unable to preload CSS/);
  const page = await (await contextFor(await newPerson(server, 'outdated'))).newPage();
  await page.goto('/jobs');
  await expect(page.getByText('No jobs yet')).toBeVisible();
  let reloads = 0;
  page.on('request', (request) => {
    if (request.isNavigationRequest()) reloads += 1;
  });
  await page.route('**/assets/usage-page-*', (route) =>
    reloads === 0 ? route.fulfill({ status: 404 }) : route.continue(),
  );
  await page.getByRole('link', { name: 'Usage' }).click();
  await expect(page.getByRole('heading', { name: 'Usage', level: 1 })).toBeVisible();
  expect(reloads).toBe(1);

  // What stays gone is said, and no loop.
  await page.route('**/assets/tokens-page-*', (route) => route.fulfill({ status: 404 }));
  await page.getByRole('link', { name: 'Tokens' }).click();
  await expect(page.getByRole('alert')).toContainText('A part of this page did not come.');
  expect(reloads).toBe(1);
});

test('another page takes the focus to its heading; another search does not', async ({
  contextFor,
  server,
}) => {
  const page = await (await contextFor(await newPerson(server, 'listener'))).newPage();
  await page.goto('/jobs');
  await expect(page.getByText('No jobs yet')).toBeVisible();
  await expect(page.locator('body')).toBeFocused();
  await page.getByRole('link', { name: 'Tokens' }).press('Enter');
  await expect(page.getByRole('heading', { name: 'API tokens', level: 1 })).toBeFocused();
  await page.getByRole('link', { name: 'Jobs', exact: true }).press('Enter');
  await expect(page.getByRole('heading', { name: 'Jobs', level: 1 })).toBeFocused();
  const status = page.getByRole('main').getByRole('combobox').first();
  await status.selectOption({ index: 1 });
  await expect(page).toHaveURL(/\/jobs\?/);
  await status.focus();
  await expect(status).toBeFocused();
  await page.goBack();
  await expect(page).toHaveURL(/\/jobs$/);
  await expect(status).toBeFocused();
});
