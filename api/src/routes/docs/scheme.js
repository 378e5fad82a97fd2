
// Light, dark or as the system has it, as the reader chose in the web app: there Mantine keeps it.
{
  const dark = document.getElementById('dark');
  const system = dark.media;
  const chosen = { dark: 'screen', light: 'not all' };
  const follow = () => {
    try {
      dark.media = chosen[localStorage.getItem('mantine-color-scheme-value')] ?? system;
    } catch {
      // Without storage there is no choice.
    }
  };
  follow();
  addEventListener('storage', follow);
  addEventListener('pageshow', follow);
}
