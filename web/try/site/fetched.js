// Files of the page, as they come.

// load loads a file that should have so many bytes, and tells how many have come. One that
// its host may unpack on the way can have others.
export async function load(file, size, tell, unpacks = false) {
  let response;
  try {
    response = await fetch(file, { credentials: "omit" });
  } catch {
    throw new Error(`${file} cannot be loaded: is the host still there? Load the page again.`);
  }
  if (!response.ok) throw new Error(`${file}: the host answers ${response.status}: is the folder whole? "bankai web export" writes it.`);
  const bytes = await gathered(response, size, tell);
  if (!unpacks && bytes.length !== size) throw new Error(`${file} has ${bytes.length} bytes, not the ${size} of the manifest: it did not come whole, or is of another export.`);
  return bytes;
}

// gathered is the body of a response, in memory for so many bytes, or for more if need be.
async function gathered(response, size, tell) {
  let bytes = new Uint8Array(size), n = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return bytes.subarray(0, n);
    if (n + value.length > bytes.length) {
      const more = new Uint8Array(2 * (n + value.length));
      more.set(bytes.subarray(0, n));
      bytes = more;
    }
    bytes.set(value, n);
    tell(n += value.length);
  }
}
