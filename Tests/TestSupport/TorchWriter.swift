import Basics
import Checkpoints

/// Writes a network's weights as `torch.save` would, with what nnU-Net looks for in a checkpoint.
public struct TorchWriter {
  /// Single precision, by the names of the `state_dict`.
  var weights: [(name: String, shape: [Int], values: [Float])] = []
  /// Further names for the same weights.
  var aliases: [(name: String, original: String)] = []

  /// - Parameter configuration: of the plans, "3d_fullres".
  public func write(to path: String, configuration: String) throws {
    let zip = try ZipWriter(path: path)
    try zip.add("archive/data.pkl", pickle(configuration))
    try zip.add("archive/byteorder", Array("little".utf8))
    for (index, tensor) in weights.enumerated() {
      try tensor.values.withUnsafeBytes { try zip.add("archive/data/\(index)", $0, alignment: 64) }
    }
    try zip.add("archive/version", Array("3\n".utf8))
    try zip.commit()
  }

  private func pickle(_ configuration: String) -> [UInt8] {
    var stream = PickleStream()
    stream.dictionary {
      $0.string("network_weights")
      $0.dictionary { entries in
        for (index, tensor) in weights.enumerated() {
          for name in [tensor.name] + aliases.filter({ $0.original == tensor.name }).map(\.name) {
            entries.string(name)
            entries.tensor(storage: index, shape: tensor.shape)
          }
        }
      }
      $0.string("init_args")
      $0.dictionary {
        $0.string("configuration")
        $0.string(configuration)
      }
      $0.string("trainer_name")
      $0.string("nnUNetTrainer")
      $0.string("inference_allowed_mirroring_axes")
      $0.none()
    }
    return [0x80, 2] + stream.bytes + [UInt8(ascii: ".")]
  }
}

/// The few opcodes of protocol 2 that a checkpoint needs.
private struct PickleStream {
  private(set) var bytes: [UInt8] = []

  private mutating func opcode(_ letter: Unicode.Scalar) { bytes.append(UInt8(ascii: letter)) }

  mutating func none() { opcode("N") }

  mutating func string(_ text: String) {
    opcode("X")
    withUnsafeBytes(of: UInt32(text.utf8.count).littleEndian) { bytes += $0 }
    bytes += text.utf8
  }

  mutating func integer(_ value: Int) {
    opcode("J")
    withUnsafeBytes(of: Int32(value).littleEndian) { bytes += $0 }
  }

  mutating func global(_ module: String, _ name: String) {
    opcode("c")
    bytes += "\(module)\n\(name)\n".utf8
  }

  /// `entries` puts keys and values in turn.
  mutating func dictionary(_ entries: (inout PickleStream) -> Void) {
    opcode("}")
    opcode("(")
    entries(&self)
    opcode("u")
  }

  mutating func tuple(_ items: (inout PickleStream) -> Void) {
    opcode("(")
    items(&self)
    opcode("t")
  }

  mutating func tensor(storage: Int, shape: [Int]) {
    let strides = shape.indices.map { axis in shape[(axis + 1)...].reduce(1, *) }
    global("torch._utils", "_rebuild_tensor_v2")
    tuple {
      $0.tuple {
        $0.string("storage")
        $0.global("torch", "FloatStorage")
        $0.string("\(storage)")
        $0.string("cpu")
        $0.integer(shape.reduce(1, *))
      }
      $0.opcode("Q")
      $0.integer(0)
      $0.tuple { for size in shape { $0.integer(size) } }
      $0.tuple { for stride in strides { $0.integer(stride) } }
      // Needs no gradient; has no hooks.
      $0.bytes.append(0x89)
      $0.global("collections", "OrderedDict")
      $0.opcode(")")
      $0.opcode("R")
    }
    opcode("R")
  }
}
