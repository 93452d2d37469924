import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// Relative addresses: the pages work below any prefix. No inlined files: the content policy allows none.
export default defineConfig({
  base: './',
  plugins: [react()],
  build: { outDir: 'dist', assetsDir: 'ui-files', assetsInlineLimit: 0, sourcemap: false, target: 'es2022' },
  server: { proxy: { '/api': 'http://127.0.0.1:8000' } },
})
