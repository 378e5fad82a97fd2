/** Providers around the router. */
import { RouterProvider } from '@tanstack/react-router';
import { Provider } from './provider';
import { router } from './router';

export function App() {
  return (
    <Provider>
      <RouterProvider router={router} />
    </Provider>
  );
}
