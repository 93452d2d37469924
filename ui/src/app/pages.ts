// The pages; the server knows the same (UI_PATHS), and a test holds the two against each other.
export const PAGES = [
  { path: '/', title: 'Fleet', icon: 'M3 4h5v4H3zM12 4h5v4h-5zM7.500 13h5v4h-5zM5.500 8v2.500h9V8M10 10.500V13' },
  { path: '/what-if', title: 'What-if', icon: 'M2 10h4l2-6 4 12 2-6h4' },
] as const
