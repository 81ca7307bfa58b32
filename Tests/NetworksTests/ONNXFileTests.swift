import Basics
import Checkpoints
import TestSupport
import Testing

@testable import Networks

@Suite struct ONNXFileTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func network() throws -> Network {
    let configuration = UNetConfiguration(
      spatialRank: 3, inputChannels: 2, outputChannels: 3, features: [2, 3], kernels: [[1, 3, 3], [3, 3, 3]],
      strides: [[1, 1, 1], [1, 2, 2]], blocksPerStage: [2, 2], blocksPerDecoderStep: [2])
    let graph = try configuration.makeGraph()
    return try Network(graph: graph, weights: zeroWeights(graph))
  }

  private func bytes(_ adjust: (inout ONNXModel.Options) -> Void = { _ in }) throws -> [UInt8] {
    var options = ONNXModel.Options()
    adjust(&options)
    return try ONNXModel(network(), inputShape: [nil, 2, 2, 4, 4], options: options).bytes()
  }

  private func parse(_ bytes: [UInt8]) throws -> ONNXFile {
    try bytes.withUnsafeBytes { try ONNXFile(parsing: $0, path: folder("model.onnx")) }
  }

  @Test func readsWhatIsWritten() throws {
    let file = try parse(
      bytes {
        $0.operatorSet = 13
        $0.metadata = [("plans", "{\"a\": \"ü\"}"), ("empty", "")]
      })
    #expect(file.operatorSet == 13 && file.producer == "microtome" && !file.isQuantized)
    #expect(file.metadata == ["plans": "{\"a\": \"ü\"}", "empty": ""])
    let (input, output) = try file.segmentationPorts()
    #expect(
      input
        == .init(
          name: "input", elementType: .float32, shape: [nil, 2, 2, 4, 4], axisNames: ["batch", nil, nil, nil, nil]))
    #expect(output.name == "output" && output.shape == [nil, 3, 2, 4, 4])
  }

  /// What is said later is added, and counts where the name is the same.
  @Test func saysMoreAboutItself() throws {
    let path = folder("more.onnx")
    try AtomicFile.write(try bytes { $0.metadata = [("a", "1"), ("b", "2")] }, to: path)
    let before = try ONNXFile.read(path)
    try ONNXFile.append([("b", "3"), ("c", "")], to: path)
    let file = try ONNXFile.read(path)
    #expect(file.metadata == ["a": "1", "b": "3", "c": ""])
    #expect(file.inputs == before.inputs && file.operations == before.operations)
    #expect(file.operations.isSuperset(of: ["Conv", "LeakyRelu", "Concat"]) && !file.isPrepared)
    #expect(#expect(throws: Failure.self) { try ONNXFile.append([], to: folder("none")) }?.kind == .missingInput)
  }

  /// Ranges for the convolutions in the middle; weights are a byte each with a scale for each channel.
  @Test func writesEightBits() throws {
    let network = try network().optimized(.all)
    let nodes = network.graph.quantizableNodes
    #expect(nodes.count == 5)
    var options = ONNXModel.Options()
    let range = Quantization.Range(low: -1, high: 1)
    options.quantization = Quantization(
      inputs: Dictionary(uniqueKeysWithValues: nodes.map { ($0, range) }),
      outputs: Dictionary(uniqueKeysWithValues: nodes.map { ($0, range) }))
    #expect(try parse(ONNXModel(network, options: options).bytes()).isQuantized)
    options.operatorSet = 11
    #expect(#expect(throws: Failure.self) { try ONNXModel(network, options: options) }?.kind == .usage)
    let tensor = try Tensor(floats: [-254, 127, 0, 1, 0.5, -0.25], shape: [2, 3])
    let weights = QuantizedWeights(tensor, outputs: 2)
    #expect(weights.scales == [2, 1 / 127])
    #expect(weights.bytes.map { Int8(bitPattern: $0) } == [-127, 64, 0, 127, 64, -32])
    let zeros = QuantizedWeights(try Tensor(floats: [0, 0], shape: [1, 2]), outputs: 1)
    #expect(zeros.scales == [1] && zeros.bytes == [0, 0])
  }

  @Test(arguments: [6, 27, 1000]) func refusesOperatorSets(set: Int) throws {
    var message = ProtobufMessage()
    message.add(1, 8)
    message.add(7, ProtobufMessage())
    var operators = ProtobufMessage()
    operators.add(2, set)
    message.add(8, operators)
    let failure = #expect(throws: Failure.self) { try parse(encoded(message)) }
    #expect(failure?.kind == .badInput && failure?.message.contains("operator set \(set)") == true)
    #expect(throws: Failure.self) { try bytes { $0.operatorSet = set } }
  }

  /// Models that say other things than a segmentation network does, each with the words that tell.
  @Test func refusesOtherModels() throws {
    func model(_ ports: [(field: Int, type: Int, rank: Int)]) throws -> ONNXFile {
      var graph = ProtobufMessage()
      for port in ports {
        var axes = ProtobufMessage()
        for _ in 0..<port.rank { axes.add(1, ProtobufMessage()) }
        var (tensor, type, info) = (ProtobufMessage(), ProtobufMessage(), ProtobufMessage())
        tensor.add(1, port.type)
        tensor.add(2, axes)
        type.add(1, tensor)
        info.add(1, "x")
        info.add(2, type)
        graph.add(port.field, info)
      }
      return try parse(encoded(wrapped(graph)))
    }
    let cases: [(ports: [(Int, Int, Int)], words: String)] = [
      ([(11, 1, 3), (12, 1, 3)], "3 axes"), ([(11, 10, 5), (12, 1, 5)], "32-bit floats"),
      ([(11, 1, 5), (12, 1, 4)], "4 axes"), ([(11, 1, 5), (11, 1, 5), (12, 1, 5)], "2 input(s)"),
      ([(11, 1, 5)], "0 output(s)"),
    ]
    for (ports, words) in cases {
      let file = try model(ports.map { ($0.0, $0.1, $0.2) })
      let failure = #expect(throws: Failure.self) { try file.segmentationPorts() }
      #expect(failure?.kind == .badInput && failure?.message.contains(words) == true, "\(words)")
    }
    #expect(try model([(11, 1, 4), (12, 1, 4)]).segmentationPorts().input.shape == [nil, nil, nil, nil])
  }

  /// Weights in another file: it must be there, long enough, and in the model's own folder.
  @Test func looksForOutsideWeights() throws {
    func model(_ place: [(String, String)]) throws -> ONNXFile {
      var tensor = ProtobufMessage()
      tensor.add(8, "w")
      for (key, value) in place {
        var entry = ProtobufMessage()
        entry.add(1, key)
        entry.add(2, value)
        tensor.add(13, entry)
      }
      tensor.add(14, 1)
      var graph = ProtobufMessage()
      graph.add(5, tensor)
      return try parse(encoded(wrapped(graph)))
    }
    let whole = [("location", "weights.bin"), ("offset", "4"), ("length", "12")]
    let missing = #expect(throws: Failure.self) { try model(whole) }
    #expect(missing?.kind == .missingInput && missing?.message.contains("weights.bin") == true)
    try AtomicFile.write([UInt8](repeating: 0, count: 15), to: folder("weights.bin"))
    #expect(#expect(throws: Failure.self) { try model(whole) }?.message.contains("too short") == true)
    try AtomicFile.write([UInt8](repeating: 0, count: 16), to: folder("weights.bin"))
    _ = try model(whole)
    for location in ["../weights.bin", "/etc/passwd", ""] {
      #expect(#expect(throws: Failure.self) { try model([("location", location)]) }?.kind == .badInput)
    }
    #expect(throws: Failure.self) { try model(whole.dropLast() + [("length", "9223372036854775807")]) }
  }

  /// Every beginning of a model, and thousands of changed ones: read or refused, never more.
  @Test func survivesDamage() throws {
    let whole = try bytes()
    for count in stride(from: 0, to: whole.count, by: 7) {
      #expect(throws: Failure.self) { try parse(Array(whole[..<count])) }
    }
    var generator = SeededGenerator(seed: 4)
    var refused = 0
    for _ in 0..<3000 {
      var damaged = whole
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let position = Int.random(in: 0..<damaged.count, using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: damaged[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 1: damaged[position] = .random(in: 0...255, using: &generator)
        case 2:
          damaged.removeSubrange(position..<min(damaged.count, position + Int.random(in: 1...8, using: &generator)))
        default: damaged.insert(0xFF, at: position)
        }
      }
      do {
        _ = try parse(damaged).segmentationPorts()
      } catch let failure as Failure {
        #expect([.badInput, .missingInput].contains(failure.kind))
        refused += 1
      }
    }
    #expect(refused > 300)
  }

  private func wrapped(_ graph: ProtobufMessage) -> ProtobufMessage {
    var message = ProtobufMessage()
    message.add(1, 8)
    message.add(7, graph)
    var operators = ProtobufMessage()
    operators.add(2, 17)
    message.add(8, operators)
    return message
  }

  private func encoded(_ message: ProtobufMessage) -> [UInt8] {
    var bytes: [UInt8] = []
    message.write { bytes += $0 }
    return bytes
  }
}
