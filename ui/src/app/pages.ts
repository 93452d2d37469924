// The pages; the server knows the same (UI_PATHS), and a test holds the two against each other.
export const PAGES = [
  { path: '/', title: 'Fleet', icon: 'M3 4h5v4H3zM12 4h5v4h-5zM7.500 13h5v4h-5zM5.500 8v2.500h9V8M10 10.500V13' },
  { path: '/what-if', title: 'What-if', icon: 'M2 10h4l2-6 4 12 2-6h4' },
  { path: '/incidents', title: 'Incidents', icon: 'M10 3l8 14H2zM10 8v4M10 14.500v.500' },
  { path: '/audit', title: 'Audit', icon: 'M5 3h7l3 3v11H5zM7.500 11.500l2 2 3.500-4' },
  { path: '/coverage', title: 'Coverage', icon: 'M3 16V9M8 16V4M13 16v-5M18 16V7' },
  { path: '/catalog', title: 'Catalog', icon: 'M4 3h9l3 3v11H4zM7 8h6M7 11h6M7 14h4' },
  { path: '/scan', title: 'Scan', icon: 'M10 13V3M6 7l4-4 4 4M3 13v4h14v-4' },
  { path: '/settings', title: 'Settings', icon: 'M3 6h8M15 6h2M11 4v4M3 14h2M9 14h8M9 12v4' },
] as const
