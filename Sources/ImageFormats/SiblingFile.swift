import Basics

/// Opens a data file that a header names, beside the header.
///
/// Only plain names and relative paths that stay in the header's folder are followed: a header that came with someone
/// else's data must not make the program read arbitrary files. Throws `badInput` or `missingInput`.
func siblingFile(_ name: String, of header: MappedFile) throws -> MappedFile {
  let parts = name.split(separator: "/", omittingEmptySubsequences: false)
  guard !name.isEmpty, !name.hasPrefix("/"), !parts.contains(".."), !name.utf8.contains(0) else {
    throw Failure(
      .badInput, "names the data file \"\(name.prefix(200))\", which is not in its own folder",
      hint: "keep the header and its data in one folder")
  }
  return try MappedFile(path: Path.join(Path.split(header.path).folder, name))
}
