import Basics

/// NRRD files (teem.sourceforge.net/nrrd/format.html): .nrrd with attached data, .nhdr with data beside it.
enum NRRD {
  /// Throws `badInput` for a malformed header, `missingInput` when a data file is absent.
  static func open(_ file: MappedFile) throws -> EncodedImage {
    var header = try NRRDHeader(file.bytes)
    let type = try header.scalarType()
    let axes = try header.imageAxes()
    let count = try voxelCount(axes.sizes + [axes.components])
    let isText = header.encoding == .text
    guard isText || type.byteCount == 1 || header.isBigEndian != nil else {
      throw Failure(.badInput, "does not say the byte order of its voxels (endian)")
    }
    let conversion = VoxelConversion(type: type, isBigEndian: header.isBigEndian ?? false, rescale: .none)
    let storage = try storage(of: &header, file: file)
    var skip = max(0, header.byteSkip)
    if header.byteSkip == -1 {
      // Voxels at the end of the data, whatever comes before; only raw data can be measured from the end.
      let (size, overflow) = count.multipliedReportingOverflow(by: type.byteCount)
      guard case .file(_, let range) = storage, header.encoding == .raw, !overflow, range.count >= size else {
        throw Failure(.badInput, "asks for its voxels at the end of the data, which holds too few bytes")
      }
      skip = range.count - size
    }
    let voxels = try EncodedVoxels(
      storage: storage, encoding: header.encoding, skip: skip, conversion: conversion, count: count)
    return EncodedImage(
      path: file.path, format: .nrrd, type: type, sizes: axes.sizes, components: axes.components,
      isInterleaved: axes.isInterleaved, geometry: try header.geometry(axes: axes.spatial), voxels: voxels)
  }

  /// Where the encoded bytes are, behind the lines to be skipped.
  private static func storage(of header: inout NRRDHeader, file: MappedFile) throws -> EncodedVoxels.Storage {
    let parts: [(MappedFile, Range<Int>)] =
      try header.dataFiles.isEmpty
      ? [(file, header.dataStart..<file.bytes.count)]
      : header.dataFiles.map {
        let data = try siblingFile($0, of: file)
        return (data, 0..<data.bytes.count)
      }
    guard parts.count > 1 else {
      let (data, range) = parts[0]
      var start = range.lowerBound
      for _ in 0..<header.lineSkip {
        guard let end = data.bytes[start..<range.upperBound].firstIndex(of: 0x0A) else {
          throw Failure(.badInput, "has fewer lines than its header wants to skip (line skip)")
        }
        start = end + 1
      }
      return .file(data, start..<range.upperBound)
    }
    guard header.encoding == .raw, header.lineSkip == 0, header.byteSkip == 0 else {
      throw Failure(.badInput, "spreads encoded voxels over several files, which is not supported")
    }
    return .files(parts)
  }
}
