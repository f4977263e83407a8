// Starts the page.

import { createTheme, MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { isLoggedOut } from './api.ts';
import { App } from './app.tsx';
import './mantine-styles.ts';
import './styles/app.css';
import './styles/states.css';
import './styles/table.css';
import './styles/panel.css';
import './styles/flow.css';

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      retry: (failures, error) => !isLoggedOut(error) && failures < 3,
      staleTime: 5_000,
      refetchOnWindowFocus: true,
    },
  },
});

const theme = createTheme({ cursorType: 'pointer', respectReducedMotion: true });

// The variables come from a file (styles/app.css and Mantine's own): the content policy allows no inline styles.
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <MantineProvider
      theme={theme}
      defaultColorScheme="auto"
      withCssVariables={false}
      withGlobalClasses={false}
    >
      <QueryClientProvider client={queries}>
        <App />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
