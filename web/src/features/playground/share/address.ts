/** What the address brings along besides model and task. */

/** The address does not keep it: from now on it is the form's. */
export function forgetGiven() {
  const address = new URL(window.location.href);
  address.searchParams.delete('from');
  address.hash = '';
  window.history.replaceState(window.history.state, '', address);
}
