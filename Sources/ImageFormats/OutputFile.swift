import Basics
import Imaging

/// A segmentation with its number type decided, on its way into a file.
struct OutputFile {
  enum Rule {
    /// 8 bits while the largest label is below 255; 255 itself already takes 16.
    case byLargestLabel
    /// 8 bits while the largest label fits.
    case bytesWherePossible
  }

  let labels: LabelMap
  let type: ScalarType
  let shape: Shape3D

  init(_ labels: LabelMap, rule: Rule) {
    let limit = rule == .byLargestLabel ? 254 : 255
    let fits = labels.largest <= limit
    switch (labels, fits) {
    case (.uint8(let volume), false): self.labels = .uint16(OutputFile.convert(volume))
    case (.uint16(let volume), true): self.labels = .uint8(OutputFile.convert(volume))
    default: self.labels = labels
    }
    type = fits ? .uint8 : .uint16
    shape = labels.shape
  }

  private static func convert<From: FixedWidthInteger, To: FixedWidthInteger>(_ volume: Volume<From>) -> Volume<To> {
    Volume(shape: volume.shape) { target in
      volume.elements.withUnsafeBufferPointer { source in
        for index in 0..<target.count { target[index] = To(truncatingIfNeeded: source[index]) }
      }
    }
  }

  /// The labels in little-endian numbers.
  private func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    switch labels {
    case .uint8(let volume): return try volume.elements.withUnsafeBytes(body)
    case .uint16(let volume):
      if 1.littleEndian == 1 { return try volume.elements.withUnsafeBytes(body) }
      return try volume.elements.map(\.littleEndian).withUnsafeBytes(body)
    }
  }

  private static func ending(_ path: String) -> String {
    let name = Path.split(path).name.asciiLowercased
    if name.hasSuffix(".nii.gz") { return ".nii.gz" }
    return name.lastIndex(of: ".").map { String(name[$0...]) } ?? ""
  }

  // MARK: Conventions

  func writeITK(to path: String, geometry: ITKGeometry) throws {
    let sizes = Array([shape.x, shape.y, shape.z][..<geometry.dimensions])
    guard sizes.reduce(1, *) == shape.count else {
      throw Failure(.internalError, "labels of shape \(shape) do not fit a grid of \(geometry.dimensions) dimensions")
    }
    switch Self.ending(path) {
    case ".nii", ".nii.gz":
      try writeNIfTI(to: path, header: NIfTI.itkHeader(sizes: sizes, type: type, geometry: geometry))
    case ".nrrd":
      let voxels = try withBytes { try Gzip.compress(labels: $0, layout: layout) }
      try Self.write([NRRD.header(sizes: sizes, type: type, geometry: geometry), voxels], to: path)
    case ".mha", ".mhd":
      let voxels = try withBytes { try Zlib.compress(labels: $0, layout: layout) }
      let isAttached = Self.ending(path) == ".mha"
      let dataPath = String(path.dropLast(4)) + ".zraw"
      let header = MetaImage.header(
        sizes: sizes, type: type, geometry: geometry, compressedSize: voxels.count,
        dataFile: isAttached ? "LOCAL" : Path.split(dataPath).name)
      if !isAttached { try Self.write([voxels], to: dataPath) }
      try Self.write(isAttached ? [header, voxels] : [header], to: path)
    case ".png", ".bmp", ".tif", ".tiff": try writePicture(to: path)
    default: throw unknownEnding(".nii, .nii.gz, .nrrd, .mha and .mhd")
    }
  }

  func writeNibabel(to path: String, affine: Affine) throws {
    guard [".nii", ".nii.gz"].contains(Self.ending(path)) else { throw unknownEnding(".nii and .nii.gz") }
    let sizes = [shape.x, shape.y, shape.z]
    try writeNIfTI(to: path, header: NIfTI.nibabelHeader(sizes: sizes, type: type, affine: affine))
  }

  func writePicture(to path: String) throws {
    guard shape.z == 1 else { throw Failure(.cannotWrite, "cannot be a picture: there are \(shape.z) slices") }
    switch (Self.ending(path), labels) {
    case (".png", .uint8(let volume)):
      try AtomicFile.write(
        PNG.encode(volume.elements, width: shape.x, height: shape.y, samples: 1, bytesPerSample: 1), to: path)
    case (".png", .uint16(let volume)):
      let bytes = volume.elements.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
      try AtomicFile.write(
        PNG.encode(bytes, width: shape.x, height: shape.y, samples: 1, bytesPerSample: 2), to: path)
    case (".bmp", .uint8(let volume)):
      try AtomicFile.write(BMP.encode(grey: volume.elements, width: shape.x, height: shape.y), to: path)
    case (".bmp", .uint16): throw Failure(.cannotWrite, "cannot hold labels above 254", hint: "use .png")
    case (".tif", _), (".tiff", _): try writeTIFF(to: path)
    default: throw unknownEnding(".png, .bmp and .tif")
    }
  }

  func writeStack(to path: String, spacing: Vector3D) throws {
    guard [".tif", ".tiff"].contains(Self.ending(path)) else { throw unknownEnding(".tif and .tiff") }
    try writeTIFF(to: path)
    let side = JSON.object(["spacing": .array(spacing.axes.map { .double($0) })])
    try AtomicFile.write(Array(side.text(indent: 4).utf8), to: TIFFSpacing.sideFile(forLabels: path))
  }

  // MARK: Bytes

  private var layout: LabelLayout {
    LabelLayout(bytesPerLabel: type.byteCount, sizes: [shape.x, shape.y, shape.z])
  }

  private func writeTIFF(to path: String) throws {
    let bytes = try withBytes {
      try TIFF.encode($0, width: shape.x, height: shape.y, pages: shape.z, bytesPerSample: type.byteCount)
    }
    try AtomicFile.write(bytes, to: path)
  }

  private func writeNIfTI(to path: String, header: [UInt8]) throws {
    try withBytes { voxels in
      let file = try AtomicFile(path: path)
      if Self.ending(path) == ".nii.gz" {
        try file.write(Gzip.compress(labels: voxels, layout: layout, after: header))
      } else {
        try file.write(header)
        try file.write(voxels)
      }
      try file.commit()
    }
  }

  private static func write(_ parts: [[UInt8]], to path: String) throws {
    let file = try AtomicFile(path: path)
    for part in parts { try file.write(part) }
    try file.commit()
  }

  private func unknownEnding(_ known: String) -> Failure {
    Failure(.cannotWrite, "has an ending this writer does not know", hint: "it writes \(known)")
  }
}

extension LabelMap {
  /// The largest label, looked for on all cores.
  fileprivate var largest: Int {
    switch self {
    case .uint8(let volume): Self.largest(volume.elements)
    case .uint16(let volume): Self.largest(volume.elements)
    }
  }

  private static func largest<Label: FixedWidthInteger & BitwiseCopyable & Sendable>(_ values: [Label]) -> Int {
    let piece = 1 << 20
    let count = (values.count + piece - 1) / piece
    var maxima = [Label](repeating: 0, count: count)
    values.withUnsafeBufferPointer { values in
      maxima.withUnsafeMutableBufferPointer { maxima in
        let shared = Shared((values: values, maxima: maxima))
        Parallel.forEach(count) { index in
          let slice = UnsafeBufferPointer(
            rebasing: shared.value.values[index * piece..<min(shared.value.values.count, (index + 1) * piece)])
          var highest: Label = 0
          for value in slice { highest = value > highest ? value : highest }
          shared.value.maxima[index] = highest
        }
      }
    }
    return Int(maxima.max() ?? 0)
  }
}
