/// Where the fields of a NIfTI header lie (nifti1.h, nifti2.h), for carrying a whole header over, known fields or not.
enum NIfTIHeaderLayout {
  private enum Kind {
    case bytes, int16, int32, float
  }

  /// A field of NIfTI-1, how many numbers it has, and where it lies in NIfTI-2; nil where that has no such field.
  private struct Field {
    var kind: Kind
    var offset: Int
    var count: Int
    var offset2: Int?
    /// Bytes of one number in NIfTI-2.
    var size2: Int
  }

  private static let fields: [Field] = [
    Field(kind: .int32, offset: 0, count: 1, offset2: nil, size2: 0),
    // data_type, db_name; extents; session_error; regular; dim_info
    Field(kind: .bytes, offset: 4, count: 28, offset2: nil, size2: 0),
    Field(kind: .int32, offset: 32, count: 1, offset2: nil, size2: 0),
    Field(kind: .int16, offset: 36, count: 1, offset2: nil, size2: 0),
    Field(kind: .bytes, offset: 38, count: 1, offset2: nil, size2: 0),
    Field(kind: .bytes, offset: 39, count: 1, offset2: 524, size2: 1),
    // dim; intent_p1...3; intent_code; datatype, bitpix; slice_start
    Field(kind: .int16, offset: 40, count: 8, offset2: 16, size2: 8),
    Field(kind: .float, offset: 56, count: 3, offset2: 80, size2: 8),
    Field(kind: .int16, offset: 68, count: 1, offset2: 504, size2: 4),
    Field(kind: .int16, offset: 70, count: 2, offset2: 12, size2: 2),
    Field(kind: .int16, offset: 74, count: 1, offset2: 224, size2: 8),
    // pixdim; vox_offset; scl_slope, scl_inter; slice_end; slice_code; xyzt_units
    Field(kind: .float, offset: 76, count: 8, offset2: 104, size2: 8),
    Field(kind: .float, offset: 108, count: 1, offset2: nil, size2: 0),
    Field(kind: .float, offset: 112, count: 2, offset2: 176, size2: 8),
    Field(kind: .int16, offset: 120, count: 1, offset2: 232, size2: 8),
    Field(kind: .bytes, offset: 122, count: 1, offset2: 496, size2: 4),
    Field(kind: .bytes, offset: 123, count: 1, offset2: 500, size2: 4),
    // cal_max, cal_min, slice_duration, toffset; glmax, glmin; descrip; aux_file
    Field(kind: .float, offset: 124, count: 4, offset2: 192, size2: 8),
    Field(kind: .int32, offset: 140, count: 2, offset2: nil, size2: 0),
    Field(kind: .bytes, offset: 148, count: 80, offset2: 240, size2: 1),
    Field(kind: .bytes, offset: 228, count: 24, offset2: 320, size2: 1),
    // qform_code, sform_code; quatern and offset, srow; intent_name; magic
    Field(kind: .int16, offset: 252, count: 2, offset2: 344, size2: 4),
    Field(kind: .float, offset: 256, count: 18, offset2: 352, size2: 8),
    Field(kind: .bytes, offset: 328, count: 16, offset2: 508, size2: 1),
    Field(kind: .bytes, offset: 344, count: 4, offset2: nil, size2: 0),
  ]

  /// The 348 bytes of a little-endian NIfTI-1 header with the fields of `bytes`, which `header` was parsed from.
  static func littleEndianVersion1(_ bytes: [UInt8], of header: NIfTIHeader) -> [UInt8] {
    let reader = ByteReader(bytes: bytes, isBigEndian: header.isBigEndian)
    var writer = ByteWriter(count: NIfTIHeader.size1)
    for field in fields {
      for index in 0..<field.count {
        if header.isVersion2 {
          if let offset = field.offset2 { copyWide(field, index, from: reader, at: offset, to: &writer) }
          continue
        }
        switch field.kind {
        case .bytes: writer.put(reader.integer(field.offset + index, as: UInt8.self), at: field.offset + index)
        case .int16: copy(Int16.self, field.offset + 2 * index, reader, &writer)
        case .int32, .float: copy(Int32.self, field.offset + 4 * index, reader, &writer)
        }
      }
    }
    writer.put(Int32(NIfTIHeader.size1), at: 0)
    writer.put(NIfTIHeader.magic1, at: 344)
    let repaired = header.repairedLikeNibabel
    for axis in 0...3 { writer.put(Float(repaired.pixelDimensions[axis]), at: 76 + 4 * axis) }
    writer.put(Int16(truncatingIfNeeded: repaired.quaternionCode), at: 252)
    writer.put(Int16(truncatingIfNeeded: repaired.affineCode), at: 254)
    return writer.bytes
  }

  private static func copy<Number: FixedWidthInteger & BitwiseCopyable>(
    _: Number.Type, _ offset: Int, _ reader: ByteReader, _ writer: inout ByteWriter
  ) {
    writer.put(reader.integer(offset, as: Number.self), at: offset)
  }

  /// One number of a NIfTI-2 field, narrowed.
  private static func copyWide(
    _ field: Field, _ index: Int, from reader: ByteReader, at offset: Int, to writer: inout ByteWriter
  ) {
    let position = offset + index * field.size2
    let integer: Int
    switch field.size2 {
    case 1: integer = Int(reader.integer(position, as: UInt8.self))
    case 2: integer = Int(reader.integer(position, as: Int16.self))
    case 4: integer = Int(reader.integer(position, as: Int32.self))
    default: integer = Int(reader.integer(position, as: Int64.self))
    }
    switch field.kind {
    case .bytes: writer.put(UInt8(truncatingIfNeeded: integer), at: field.offset + index)
    case .int16: writer.put(Int16(clamping: integer), at: field.offset + 2 * index)
    case .int32: writer.put(Int32(clamping: integer), at: field.offset + 4 * index)
    case .float: writer.put(Float(reader.double(position)), at: field.offset + 4 * index)
    }
  }
}
