import Basics

/// NIfTI files: .nii, .nii.gz, and pairs of .hdr and .img.
enum NIfTI {
  /// Reads the header and finds the voxels, scaled as ITK does. The grid is left to `EncodedImage.nifti`, because ITK
  /// and nibabel disagree about it. Throws `missingInput` or `badInput`.
  static func open(_ path: String) throws -> EncodedImage {
    let headerPath = partner(of: path, isHeader: true)
    let headerFile = try MappedFile(path: headerPath)
    let header = try locating(headerPath) { try NIfTIHeader(headerBytes(headerFile)) }
    let voxelFile: MappedFile
    if header.isSingleFile {
      voxelFile = headerFile
    } else {
      let voxelPath = partner(of: path, isHeader: false)
      guard voxelPath != headerPath else {
        throw Failure(.badInput, "keeps its voxels in another file, but is not named .hdr")
      }
      voxelFile = try MappedFile(path: voxelPath)
    }
    let type = try header.scalarType()
    let sizes = try header.itkSizes()
    let isCompressed = Gzip.hasMagic(voxelFile.bytes)
    let voxels = try EncodedVoxels(
      storage: .file(voxelFile, 0..<voxelFile.bytes.count), encoding: isCompressed ? .gzip : .raw,
      skip: header.voxelOffset,
      conversion: VoxelConversion(
        type: type, isBigEndian: header.isBigEndian, rescale: header.itkRescale, zeroesNonFinite: true),
      count: voxelCount(sizes))
    return EncodedImage(
      path: path, format: header.isVersion2 ? .nifti2 : .nifti1, type: type, sizes: sizes, nifti: header,
      geometry: ITKGeometry(dimensions: sizes.count), voxels: voxels)
  }

  /// Only as much is decompressed as the header is long.
  private static func headerBytes(_ file: MappedFile) throws -> [UInt8] {
    if Gzip.hasMagic(file.bytes) { return try Gzip.prefix(file.bytes, count: NIfTIHeader.size2) }
    return Array(file.bytes.prefix(NIfTIHeader.size2))
  }

  /// The .hdr that belongs to an .img, and the other way round; other names are their own partner.
  static func partner(of path: String, isHeader: Bool) -> String {
    for suffix in ["", ".gz"] {
      let wrong = (isHeader ? ".img" : ".hdr") + suffix
      guard path.asciiLowercased.hasSuffix(wrong) else { continue }
      let stem = String(path.dropLast(wrong.count))
      let isUpper = path.dropLast(suffix.count).last?.isUppercase ?? false
      let ending = isHeader ? ".hdr" : ".img"
      let plain = stem + (isUpper ? ending.uppercased() : ending)
      let candidates = suffix.isEmpty ? [plain, plain + ".gz"] : [plain + ".gz", plain]
      return candidates.first(where: Path.isFile) ?? candidates[0]
    }
    return path
  }
}
