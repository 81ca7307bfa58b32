import Basics
import Checkpoints
import TestSupport
import Testing

@testable import Networks

@Suite struct OpenVINOFileTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func description() throws -> [UInt8] {
    let configuration = UNetConfiguration(
      spatialRank: 3, inputChannels: 2, outputChannels: 3, features: [2, 3], kernels: [[1, 3, 3], [3, 3, 3]],
      strides: [[1, 1, 1], [1, 2, 2]], blocksPerStage: [2, 2], blocksPerDecoderStep: [2])
    let graph = try configuration.makeGraph()
    let network = try Network(graph: graph, weights: zeroWeights(graph))
    let model = try OpenVINOModel(network, inputShape: [nil, 2, 2, 4, 4], copiesWeights: true)
    try AtomicFile.write(Array(model.weights.bytes), to: folder("net.bin"))
    return model.description
  }

  private func read(_ bytes: [UInt8]) throws -> OpenVINOFile {
    try AtomicFile.write(bytes, to: folder("net.xml"))
    return try OpenVINOFile.read(folder("net.xml"))
  }

  private func read(_ text: String) throws -> OpenVINOFile { try read(Array(text.utf8)) }

  @Test func readsWhatIsWritten() throws {
    let file = try read(description())
    let (input, output) = try file.segmentationPorts()
    #expect(input.name == "input" && input.shape == [nil, 2, 2, 4, 4])
    #expect(output.shape == [nil, 3, 2, 4, 4] && file.path == folder("net.xml"))
  }

  @Test func looksForWeights() throws {
    let bytes = try description()
    let weights = try Path.read(folder("net.bin"))
    try AtomicFile.write(Array(weights.dropLast()), to: folder("net.bin"))
    #expect(#expect(throws: Failure.self) { try read(bytes) }?.message.contains("net.bin") == true)
    Path.removeTree(folder("net.bin"))
    let missing = #expect(throws: Failure.self) { try read(bytes) }
    #expect(missing?.kind == .missingInput && missing?.message.contains("net.bin") == true)
  }

  /// What is written by hand: quotes of both kinds, comments, entities, elements that end themselves.
  @Test func readsXML() throws {
    try AtomicFile.write([0], to: folder("net.bin"))
    let file = try read(
      """
      <?xml version='1.0'?><!DOCTYPE net><net name="a">
      <!-- <layer> > --><layer id = "0" name='&lt;in &amp; "out"&gt;' type="Parameter"><output>
      <port precision="FP16"><dim>1</dim><dim>-1</dim></port></output></layer>
      <layer type="ReLU" name="middle"><input><port precision="I64"><dim>7</dim></port></input></layer>
      <layer type="Result" name="end"><input><port precision="U8"/></input></layer><rt_info/></net>
      """)
    #expect(
      file.inputs == [.init(name: "<in & \"out\">", elementType: .float16, shape: [1, nil], axisNames: [nil, nil])])
    #expect(file.outputs == [.init(name: "end", elementType: .other("U8"), shape: [], axisNames: [])])
    #expect(#expect(throws: Failure.self) { try file.segmentationPorts() }?.message.contains("float16") == true)
  }

  @Test(arguments: [
    "", "<net>", "<net></layer>", "<html></html>", "<net", "<net name>", "<net name=a></net>", "<net a=\"&x;\"></net>",
    "<!-- ", "<net></net>",
    "<net><layer type=\"Const\"><data offset=\"9223372036854775807\" size=\"1\"/></layer></net>",
    "<net><layer type=\"Parameter\"><port><dim>x</dim></port></layer></net>", "no tags at all",
  ]) func refusesWhatIsNone(text: String) throws {
    try AtomicFile.write([0], to: folder("net.bin"))
    #expect(#expect(throws: Failure.self) { try read(text) }?.kind == .badInput)
  }

  /// Every beginning of a file, and thousands of changed ones: read or refused, never more.
  @Test func survivesDamage() throws {
    let whole = try description()
    for count in stride(from: 0, to: whole.count - 8, by: 7) {
      #expect(#expect(throws: Failure.self) { try parse(Array(whole[..<count])) }?.kind == .badInput)
    }
    var generator = SeededGenerator(seed: 5)
    var refused = 0
    for trial in 0..<3000 {
      do {
        _ = try parse(damaged(whole, trial: trial, header: 400, using: &generator)).segmentationPorts()
      } catch let failure as Failure {
        #expect(failure.kind == .badInput)
        refused += 1
      }
    }
    #expect(refused > 300)
  }

  private func parse(_ bytes: [UInt8]) throws -> OpenVINOFile {
    try bytes.withUnsafeBytes { try OpenVINOFile(parsing: $0, path: folder("net.xml")) }
  }
}
