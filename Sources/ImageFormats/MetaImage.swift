import Basics

/// MetaImage files (MetaIO): .mha with its voxels inside, .mhd with them in other files.
enum MetaImage {
  /// Throws `badInput` for a malformed header, `missingInput` when a data file is absent.
  static func open(_ file: MappedFile) throws -> EncodedImage {
    let header = try MetaImageHeader(file.bytes)
    let type = try header.scalarType()
    let count = try voxelCount(header.sizes + [header.channels])
    let conversion = VoxelConversion(type: type, isBigEndian: header.isBigEndian, rescale: .none)
    let (expected, overflow) = count.multipliedReportingOverflow(by: type.byteCount)
    guard !overflow else { throw Failure(.badInput, "its header promises more voxels than any file can hold") }
    let encoding: EncodedVoxels.Encoding = header.isCompressed ? .zlib : header.isBinary ? .raw : .text
    var skip = 0
    let storage: EncodedVoxels.Storage
    if header.dataFiles.count <= 1 {
      var (data, range) = (file, min(header.dataStart, file.bytes.count)..<file.bytes.count)
      if let name = header.dataFiles.first {
        data = try siblingFile(name, of: file)
        range = 0..<data.bytes.count
      }
      // Bytes before the voxels; -1 means that the voxels are at the end.
      if header.headerSize > 0 { skip = header.headerSize }
      if header.headerSize == -1 { skip = max(0, range.count - expected) }
      if header.isCompressed {
        guard skip <= range.count else { throw Failure(.badInput, "has a HeaderSize beyond the end of the data") }
        range = range.lowerBound + skip..<range.upperBound
        skip = 0
        if let size = header.compressedSize, size < range.count { range = range.lowerBound..<range.lowerBound + size }
      }
      storage = .file(data, range)
    } else {
      guard encoding == .raw, header.headerSize >= 0 else {
        throw Failure(.badInput, "spreads encoded voxels over several files, which is not supported")
      }
      storage = .files(
        try header.dataFiles.map { name in
          let data = try siblingFile(name, of: file)
          guard header.headerSize <= data.bytes.count else { throw Failure(.badInput, "is too short", file: data.path) }
          return (data, header.headerSize..<data.bytes.count)
        })
    }
    let voxels = try EncodedVoxels(
      storage: storage, encoding: encoding, skip: skip, conversion: conversion, count: count)
    return EncodedImage(
      path: file.path, format: .metaImage, type: type, sizes: header.sizes, components: header.channels,
      isInterleaved: true, geometry: try header.geometry(), voxels: voxels)
  }
}
