import Basics

/// The header of a NIfTI-1 or NIfTI-2 file (nifti1.h, nifti2.h of the NIfTI Data Format Working Group).
struct NIfTIHeader: Sendable {
  var isVersion2: Bool
  var isBigEndian: Bool
  /// Whether the voxels lie in the same file (.nii) and not in an .img beside it.
  var isSingleFile: Bool
  /// `dim[1...]`, as many as `dim[0]` says.
  var dimensions: [Int]
  var dataType: Int
  /// `pixdim[0...7]`; the first is the handedness of the quaternion.
  var pixelDimensions: [Double]
  var voxelOffset: Int
  var slope: Double
  var intercept: Double
  var units: Int
  var quaternionCode: Int
  var affineCode: Int
  /// `quatern_b, quatern_c, quatern_d`
  var quaternion: [Double]
  var quaternionOffset: [Double]
  /// Three rows of four.
  var affineRows: [Double]

  static let size1 = 348
  static let size2 = 540

  /// Parses the first bytes of a file. Throws `badInput` when they are no NIfTI header.
  init(_ bytes: [UInt8]) throws {
    guard !bytes.isEmpty else { throw Failure(.badInput, "is empty") }
    guard bytes.count >= Self.size1 else {
      throw Failure(.badInput, "is too short for a NIfTI header: \(bytes.count) bytes")
    }
    var reader = ByteReader(bytes: bytes)
    func size(_ isBigEndian: Bool) -> Int {
      reader.isBigEndian = isBigEndian
      return Int(reader.integer(0, as: Int32.self))
    }
    switch (size(false), size(true)) {
    case (Self.size1, _), (Self.size2, _): reader.isBigEndian = false
    case (_, Self.size1), (_, Self.size2): reader.isBigEndian = true
    default: throw Failure(.badInput, "is not a NIfTI file: its header does not begin with 348 or 540")
    }
    isBigEndian = reader.isBigEndian
    isVersion2 = Int(reader.integer(0, as: Int32.self)) == Self.size2
    let magic = isVersion2 ? 4 : 344
    switch true {
    case reader.matches(magic, isVersion2 ? Self.magic2 : Self.magic1): isSingleFile = true
    case reader.matches(magic, Array((isVersion2 ? "ni2\0" : "ni1\0").utf8)): isSingleFile = false
    default:
      throw Failure(.badInput, "has no NIfTI magic", hint: "ANALYZE 7.5 files must be converted to NIfTI first")
    }
    if isVersion2 {
      guard bytes.count >= Self.size2 else { throw Failure(.badInput, "is too short for a NIfTI-2 header") }
    }
    let fields = isVersion2 ? Fields(version2: reader) : Fields(version1: reader)
    guard (1...7).contains(fields.dim[0]) else {
      throw Failure(.badInput, "has a NIfTI header with \(fields.dim[0]) dimensions")
    }
    dimensions = Array(fields.dim[1...fields.dim[0]])
    dataType = fields.dataType
    pixelDimensions = fields.pixdim
    slope = fields.slope
    intercept = fields.intercept
    units = fields.units
    quaternionCode = fields.qform
    affineCode = fields.sform
    quaternion = Array(fields.transform[0..<3])
    quaternionOffset = Array(fields.transform[3..<6])
    affineRows = Array(fields.transform[6..<18])
    guard let offset = fields.voxelOffset, offset >= 0 else {
      throw Failure(
        .badInput, "its header gives no place in the file where the voxels begin (vox_offset)",
        hint: "the header is damaged; write the image anew with the program that made it")
    }
    voxelOffset = offset
    // Some writers leave the offset at zero; voxels cannot begin inside the header.
    if isSingleFile { voxelOffset = max(voxelOffset, isVersion2 ? Self.size2 : Self.size1) }
  }

  static let magic1: [UInt8] = Array("n+1\0".utf8)
  static let magic2: [UInt8] = Array("n+2\0".utf8) + [0x0D, 0x0A, 0x1A, 0x0A]

  /// The fields as they lie in the file, widened.
  private struct Fields {
    var dim: [Int]
    var dataType: Int
    var pixdim: [Double]
    /// nil for what is no whole number.
    var voxelOffset: Int?
    var slope: Double
    var intercept: Double
    var units: Int
    var qform: Int
    var sform: Int
    /// Quaternion (3), its offset (3), three affine rows (12).
    var transform: [Double]

    init(version1 reader: ByteReader) {
      dim = (0..<8).map { Int(reader.integer(40 + 2 * $0, as: Int16.self)) }
      dataType = Int(reader.integer(70, as: Int16.self))
      pixdim = (0..<8).map { Double(reader.float(76 + 4 * $0)) }
      voxelOffset = Int(exactly: reader.float(108).rounded(.towardZero))
      slope = Double(reader.float(112))
      intercept = Double(reader.float(116))
      units = Int(reader.integer(123, as: UInt8.self))
      qform = Int(reader.integer(252, as: Int16.self))
      sform = Int(reader.integer(254, as: Int16.self))
      transform = (0..<18).map { Double(reader.float(256 + 4 * $0)) }
    }

    init(version2 reader: ByteReader) {
      dim = (0..<8).map { Int(reader.integer(16 + 8 * $0, as: Int64.self)) }
      dataType = Int(reader.integer(12, as: Int16.self))
      pixdim = (0..<8).map { reader.double(104 + 8 * $0) }
      voxelOffset = Int(reader.integer(168, as: Int64.self))
      slope = reader.double(176)
      intercept = reader.double(184)
      units = Int(reader.integer(500, as: Int32.self))
      qform = Int(reader.integer(344, as: Int32.self))
      sform = Int(reader.integer(348, as: Int32.self))
      transform = (0..<18).map { reader.double(352 + 8 * $0) }
    }
  }

  /// The number type. Throws `badInput` for colour, complex and unknown types.
  func scalarType() throws -> ScalarType {
    switch dataType {
    case 2: return .uint8
    case 4: return .int16
    case 8: return .int32
    case 16: return .float32
    case 64: return .float64
    case 256: return .int8
    case 512: return .uint16
    case 768: return .uint32
    case 1024: return .int64
    case 1280: return .uint64
    case 128, 2304: throw Failure(.badInput, "holds colours", hint: "convert it to one intensity per voxel")
    case 32, 1792, 2048: throw Failure(.badInput, "holds complex numbers", hint: "convert it to magnitudes")
    case 1, 1536: throw Failure(.badInput, "holds \(dataType == 1 ? "single bits" : "128-bit floats")")
    default: throw Failure(.badInput, "has the unknown NIfTI data type \(dataType)")
    }
  }
}
