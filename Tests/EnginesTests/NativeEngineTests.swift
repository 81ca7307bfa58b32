import Basics
import CKernels
import Networks
import TestSupport
import Testing

@testable import Engines

@Suite(.serialized) struct NativeEngineTests {
  /// Runs `body` with each instruction set that this processor has.
  private func withEveryLevel(_ body: (mt_level) throws -> Void) rethrows {
    defer { mt_convolution_limit(mt_level_avx512) }
    for level in [mt_level_plain, mt_level_avx2, mt_level_avx512]
    where level.rawValue <= mt_level_of_processor().rawValue {
      mt_convolution_limit(level)
      try body(level)
    }
  }

  private let coarseEngine: NativeEngine = {
    var engine = NativeEngine()
    engine.roundsEverywhere = true
    return engine
  }()

  /// 1e-4 of the largest value: sums are taken in float32, and Winograd's method rounds ten times as much as a plain sum.
  @Test(arguments: GoldenNetwork.all) func answersAsPyTorch(golden: GoldenNetwork) throws {
    try withEveryLevel { level in
      let result = try run(golden.network, inputShape: golden.inputShape, on: NativeEngine())
      #expect(result.shape == golden.outputShape)
      let largest = golden.output.reduce(0) { max($0, abs($1)) }
      #expect(largestDifference(result.values, golden.output) < 1e-4 * largest, "level \(level)")
      // Factors have 8 significant bits, and these networks a dozen layers of few channels, over which little averages out.
      let coarse = try run(golden.network, inputShape: golden.inputShape, on: coarseEngine, precision: .bf16)
      #expect(largestDifference(coarse.values, golden.output) < 5e-2 * largest, "level \(level)")
      #expect(coarse.values != result.values)
    }
  }

  /// One convolution between an image and normalised, activated features of any count.
  struct Layer: Sendable, CustomTestStringConvertible {
    var channels: (Int, Int)
    var kernel: [Int]
    var stride: [Int]
    var size: [Int]

    var testDescription: String { "\(channels.0) to \(channels.1), \(kernel) by \(stride), \(size)" }
  }

  static let layers: [Layer] = [
    Layer(channels: (16, 32), kernel: [3, 3, 3], stride: [1, 1, 1], size: [9, 17, 13]),
    Layer(channels: (33, 20), kernel: [3, 3, 3], stride: [1, 1, 1], size: [5, 8, 8]),
    Layer(channels: (5, 50), kernel: [1, 3, 3], stride: [1, 1, 1], size: [3, 30, 33]),
    Layer(channels: (5, 7), kernel: [3, 3], stride: [1, 1], size: [5, 6]),
    Layer(channels: (40, 17), kernel: [3, 3], stride: [1, 1], size: [64, 70]),
    Layer(channels: (64, 64), kernel: [3, 3, 3], stride: [1, 1, 1], size: [1, 1, 1]),
    Layer(channels: (16, 32), kernel: [3, 3, 3], stride: [2, 2, 2], size: [12, 9, 11]),
    Layer(channels: (18, 32), kernel: [3, 3, 3], stride: [1, 2, 2], size: [4, 20, 22]),
    Layer(channels: (18, 3), kernel: [1, 1, 1], stride: [1, 1, 1], size: [4, 5, 6]),
    Layer(channels: (20, 24), kernel: [1, 1, 1], stride: [2, 2, 2], size: [5, 6, 7]),
    Layer(channels: (3, 4), kernel: [5, 1, 3], stride: [3, 1, 2], size: [10, 6, 7]),
    Layer(channels: (6, 19), kernel: [2, 2, 2], stride: [1, 1, 1], size: [6, 6, 6]),
    Layer(channels: (6, 19), kernel: [7, 7], stride: [2, 2], size: [21, 20]),
  ]

  @Test(arguments: layers) func convolvesAsReference(layer: Layer) throws {
    let rank = layer.size.count
    var builder = GraphBuilder(spatialRank: rank, inputChannels: 2)
    let ones = [Int](repeating: 1, count: rank)
    let first = builder.convolution(
      .input, name: "first", outputChannels: layer.channels.0, kernel: ones.map { $0 * 3 }, stride: ones, bias: true)
    let normal = builder.instanceNorm(first, name: "normal", epsilon: 1e-5)
    let active = builder.leakyReLU(normal, name: "active", slope: 0.01)
    let second = builder.convolution(
      active, name: "second", outputChannels: layer.channels.1, kernel: layer.kernel, stride: layer.stride, bias: true)
    let graph = builder.graph(name: "Layer", outputs: [second])
    let network = try Network(graph: graph, weights: formulaWeights(graph))
    let shape = [1, 2] + layer.size
    let expected = try run(network, inputShape: shape, on: ReferenceEngine())
    let largest = expected.values.reduce(0) { max($0, abs($1)) }
    try withEveryLevel { level in
      let result = try run(network, inputShape: shape, on: NativeEngine())
      #expect(result.shape == expected.shape)
      #expect(largestDifference(result.values, expected.values) < 2e-5 * largest, "level \(level)")
      // Half a unit in the 8th bit of both factors, 4e-3 in all, times what Winograd's method makes of it.
      let coarse = try run(network, inputShape: shape, on: coarseEngine, precision: .bf16)
      #expect(largestDifference(coarse.values, expected.values) < 2e-2 * largest, "level \(level)")
      #expect(coarse.values != result.values)
    }
  }

  /// Next to the image and to the answer, bfloat16 is not used: half the error of the whole.
  @Test func roundsWhereItMattersLeast() throws {
    var (everywhere, inside) = (0.0, 0.0)
    for golden in GoldenNetwork.all {
      func error(_ engine: NativeEngine) throws -> Double {
        let result = try run(golden.network, inputShape: golden.inputShape, on: engine, precision: .bf16).values
        let squares = zip(result, golden.output).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
        return squares / golden.output.reduce(0) { $0 + Double($1 * $1) }
      }
      everywhere += try error(coarseEngine)
      inside += try error(NativeEngine())
    }
    #expect(inside > 0 && inside < 0.8 * everywhere)
  }

  /// Everything it runs besides convolutions, with values that are read in several ways, and two outputs.
  @Test(arguments: [2, 3]) func combinesAsReference(rank: Int) throws {
    var builder = GraphBuilder(spatialRank: rank, inputChannels: 2)
    let ones = [Int](repeating: 1, count: rank)
    let (twos, threes) = (ones.map { $0 * 2 }, ones.map { $0 * 3 })
    let first = builder.convolution(
      .input, name: "first", outputChannels: 20, kernel: threes, stride: ones, bias: true)
    let batch = builder.batchNorm(first, name: "batch", epsilon: 1e-5)
    let active = builder.leakyReLU(batch, name: "active", slope: 0)
    let again = builder.instanceNorm(active, name: "again", epsilon: 1e-5)
    let dropped = builder.dropout(again, name: "dropped", probability: 0.5)
    let pooled = builder.averagePooling(dropped, name: "pooled", window: twos)
    let enlarged = builder.transposedConvolution(
      pooled, name: "enlarged", outputChannels: 20, factors: twos, bias: true)
    let steep = builder.leakyReLU(enlarged, name: "steep", slope: 0.5)
    let sum = builder.add(steep, first, name: "sum")
    let joined = builder.concatenation([sum, active, enlarged], name: "joined")
    let whole = builder.instanceNorm(joined, name: "whole", epsilon: 1e-5)
    let last = builder.convolution(whole, name: "last", outputChannels: 3, kernel: ones, stride: ones, bias: false)
    let graph = builder.graph(name: "Mixture", outputs: [last, whole])
    let network = try Network(graph: graph, weights: formulaWeights(graph))
    let shape = [2, 2] + [6, 8, 4].prefix(rank)
    let expected = try outputs(network, shape, on: ReferenceEngine(), graphs: [last, whole])
    let result = try outputs(network, shape, on: NativeEngine(), graphs: nil)
    for (one, other) in zip(result, expected) {
      let largest = other.reduce(0) { max($0, abs($1)) }
      #expect(one.count == other.count && largestDifference(one, other) < 2e-5 * largest)
    }
  }

  /// - Parameter graphs: run the graph once for each of these outputs; nil asks for all at once.
  private func outputs(
    _ network: Network, _ shape: [Int], on engine: any Engine, graphs: [Graph.Value]?
  ) throws -> [[Float]] {
    guard let graphs else {
      let request = try engine.compile(network, inputShape: shape, options: .init(precision: .fp32)).makeRequest()
      for index in request.input.indices { request.input[index] = Float(cosine(0.5 * Double(index))) }
      try request.start()
      _ = try request.wait()
      return try (0..<2).map { Array(try request.output($0)) }
    }
    return try graphs.map { output in
      var graph = network.graph
      graph.outputs = [output]
      // One sample at a time is what the scalar engine takes as well.
      return try run(Network(graph: graph, weights: network.weights), inputShape: shape, on: engine).values
    }
  }

  /// Means and variances of many voxels far from zero: in one single-precision chain they would be off by 1e-4.
  @Test(arguments: [[24, 40, 48], [96, 128], [23, 29, 31]]) func statisticsOfManyVoxelsAreExact(patch: [Int]) throws {
    #expect(try errorOfStatistics(patch: patch, on: NativeEngine()) < 2e-6)
  }

  /// The same bits, however many threads share a pass and however many passes run at once.
  @Test(arguments: GoldenNetwork.all) func threadsDoNotMatter(golden: GoldenNetwork) throws {
    func answer(_ options: CompileOptions) throws -> [Float] {
      let compiled = try NativeEngine().compile(golden.network, inputShape: golden.inputShape, options: options)
      let requests = try (0..<compiled.concurrentRequests).map { _ in try compiled.makeRequest() }
      for request in requests {
        for index in request.input.indices { request.input[index] = Float(cosine(0.5 * Double(index))) }
        try request.start()
      }
      let answers = try requests.map { Array(try $0.wait()) }
      #expect(Set(answers).count == 1)
      return answers[0]
    }
    let one = try answer(.init(threads: 1))
    // Pieces of another size have statistics of another size: nearly the same bits.
    let largest = one.reduce(0) { max($0, abs($1)) }
    for options in [CompileOptions(threads: 4, expectedPasses: 1), CompileOptions(threads: 4)] {
      #expect(largestDifference(try answer(options), one) < 1e-5 * largest)
    }
  }

  @Test(arguments: GoldenNetwork.all) func givesChannelsLast(golden: GoldenNetwork) throws {
    let answers = try answersInBothOrders(golden, on: NativeEngine())
    #expect(answers.last == answers.first)
  }

  @Test func abandonedRequestsDoNoHarm() throws {
    let golden = try #require(GoldenNetwork.all.last)
    for _ in 0..<3 {
      try NativeEngine().compile(golden.network, inputShape: golden.inputShape, options: .init()).makeRequest().start()
    }
  }

  @Test func refusesWithReasons() throws {
    let golden = try #require(GoldenNetwork.all.first)
    for options in [CompileOptions(device: "GPU"), CompileOptions(precision: .fp16)] {
      let failure = #expect(throws: Failure.self) {
        try NativeEngine().compile(golden.network, inputShape: golden.inputShape, options: options)
      }
      #expect(failure?.kind == .engine)
    }
    var builder = GraphBuilder(spatialRank: 2, inputChannels: 2)
    let grouped = builder.groupNorm(.input, name: "groups", groups: 2, epsilon: 1e-5)
    let graph = builder.graph(name: "Groups", outputs: [grouped])
    let network = try Network(graph: graph, weights: formulaWeights(graph))
    let failure = #expect(throws: Failure.self) {
      try NativeEngine().compile(network, inputShape: [1, 2, 4, 4], options: .init())
    }
    #expect(failure?.kind == .engine && failure?.message.contains("group") == true)
  }
}

/// Which engine runs a network when nobody has chosen one.
@Suite struct FastestEngineTests {
  private struct Absent: Error {}

  @Test(.enabled(if: NativeEngine.isFast, "the native engine is slow here")) func prefersTheNativeEngine() throws {
    let golden = try #require(GoldenNetwork.all.first)
    let alone = FastestEngine { throw Failure(.engine, "nothing is installed") }
    let compiled = try alone.compile(golden.network, inputShape: golden.inputShape, options: .init(precision: .fp32))
    #expect(compiled.engineName.hasPrefix("native") && alone.devices == ["CPU"])
    let automatic = try alone.compile(golden.network, inputShape: golden.inputShape, options: .init())
    #expect(automatic.precision == .fp32)
    #expect(automatic.notes.isEmpty)
  }

  /// Fewer bits than single precision are a matter of speed: where the processor only imitates them, they are not used.
  @Test(.enabled(if: NativeEngine.isFast, "the native engine is slow here"), arguments: [Precision.bf16, .fp16])
  func doesNotImitate(precision: Precision) throws {
    let golden = try #require(GoldenNetwork.all.first)
    let alone = FastestEngine { throw Failure(.engine, "nothing is installed") }
    func compiled() throws -> any CompiledNetwork {
      try alone.compile(golden.network, inputShape: golden.inputShape, options: .init(precision: precision))
    }
    if Processor.current.imitates(precision) {
      #expect(try compiled().precision == .fp32)
      #expect(try compiled().notes.first?.contains(precision.rawValue) == true)
    } else if precision == .bf16 {
      #expect(try compiled().precision == .bf16 && compiled().engineName.hasPrefix("native"))
    } else {
      let failure = #expect(throws: Failure.self) { try compiled() }
      #expect(failure?.message == "nothing is installed")
    }
  }

  @Test(.enabled(if: InstalledOpenVINO.engine != nil, InstalledOpenVINO.absence)) func fallsBackToALibrary() throws {
    var builder = GraphBuilder(spatialRank: 2, inputChannels: 2)
    let grouped = builder.groupNorm(.input, name: "groups", groups: 2, epsilon: 1e-5)
    let graph = builder.graph(name: "Groups", outputs: [grouped])
    let network = try Network(graph: graph, weights: formulaWeights(graph))
    let openVINO = try InstalledOpenVINO.require()
    let compiled = try FastestEngine { openVINO }.compile(network, inputShape: [1, 2, 4, 4], options: .init())
    #expect(compiled.engineName.hasPrefix("openvino"))
    // What the native engine says is of use only when nothing else can run the network.
    let failure = #expect(throws: Failure.self) {
      try FastestEngine { throw Absent() }.compile(network, inputShape: [1, 2, 4, 4], options: .init(precision: .fp32))
    }
    #expect(failure?.kind == .engine)
  }
}
