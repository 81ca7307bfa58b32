import Basics
import Networks
import TestSupport
import Testing

@testable import Engines

@Suite(.enabled(if: InstalledOpenVINO.engine != nil, InstalledOpenVINO.absence)) struct OpenVINOEngineTests {
  /// 1e-4 of the largest value: OpenVINO sums in float32 and in another order.
  @Test(arguments: GoldenNetwork.all) func answersAsPyTorch(golden: GoldenNetwork) throws {
    let result = try run(golden.network, inputShape: golden.inputShape, on: InstalledOpenVINO.require())
    #expect(result.shape == golden.outputShape)
    let largest = golden.output.reduce(0) { max($0, abs($1)) }
    #expect(largestDifference(result.values, golden.output) < 1e-4 * largest)
  }

  /// A network with the operations that the golden ones lack, against the reference engine.
  @Test(arguments: [2, 3]) func answersAsReferenceEngine(rank: Int) throws {
    var builder = GraphBuilder(spatialRank: rank, inputChannels: 2)
    let ones = [Int](repeating: 1, count: rank)
    let twos = ones.map { $0 * 2 }
    let first = builder.convolution(
      .input, name: "first", outputChannels: 4, kernel: ones.map { $0 * 3 }, stride: ones, bias: true)
    let grouped = builder.groupNorm(first, name: "groups", groups: 2, epsilon: 1e-5, affine: true)
    let active = builder.leakyReLU(grouped, name: "active", slope: 0)
    let dropped = builder.dropout(active, name: "dropped", probability: 0.5)
    let pooled = builder.averagePooling(dropped, name: "pooled", window: twos)
    let linear = builder.upsampling(pooled, name: "linear", factors: twos, .linear)
    let nearest = builder.upsampling(pooled, name: "nearest", factors: twos, .nearest)
    let sum = builder.add(linear, nearest, name: "sum")
    let joined = builder.concatenation([sum, first], name: "joined")
    let graph = builder.graph(name: "Mixture", outputs: [joined])
    let network = try Network(graph: graph, weights: formulaWeights(graph))
    let shape = [1, 2] + [6, 8, 4].prefix(rank)
    let expected = try run(network, inputShape: shape, on: ReferenceEngine())
    let result = try run(network, inputShape: shape, on: InstalledOpenVINO.require())
    #expect(result.shape == expected.shape)
    let largest = expected.values.reduce(0) { max($0, abs($1)) }
    #expect(largestDifference(result.values, expected.values) < 1e-4 * largest)
  }

  /// Means and variances of many voxels far from zero: in one single-precision chain they would be off by 1e-4.
  @Test(arguments: [[24, 40, 48], [96, 128], [23, 29, 31]]) func statisticsOfManyVoxelsAreExact(patch: [Int]) throws {
    // Sizes that nothing divides are left to OpenVINO's own operation.
    let isDivisible = patch.last.map { $0 % 8 == 0 } ?? false
    #expect(try errorOfStatistics(patch: patch, on: InstalledOpenVINO.require()) < (isDivisible ? 4e-6 : 1e-4))
  }

  /// The same numbers in another order, where that is allowed.
  @Test(arguments: GoldenNetwork.all) func givesChannelsLast(golden: GoldenNetwork) throws {
    let answers = try answersInBothOrders(golden, on: InstalledOpenVINO.require())
    let largest = golden.output.reduce(0) { max($0, abs($1)) }
    #expect(largestDifference(answers.last, answers.first) < 1e-5 * largest)
  }

  @Test func saysWhatItRunsIn() throws {
    let golden = try #require(GoldenNetwork.all.first)
    let engine = try InstalledOpenVINO.require()
    let strict = try engine.compile(
      golden.network, inputShape: golden.inputShape, options: .init(precision: .fp32, threads: 1))
    #expect(strict.precision == .fp32)
    #expect(strict.notes == [])
    #expect(strict.inputShape == golden.inputShape && strict.outputShape == golden.outputShape)
    let automatic = try engine.compile(golden.network, inputShape: golden.inputShape, options: .init())
    #expect(automatic.precision == .fp32)
    #expect(automatic.notes == [])
  }

  /// Where bfloat16 is imitated, the user is told.
  @Test(
    .enabled(if: !Processor.current.hasNativeBF16 && !Processor.current.features.isEmpty, "bfloat16 is native here"))
  func warnsOfImitatedPrecision() throws {
    let golden = try #require(GoldenNetwork.all.first)
    let compiled = try InstalledOpenVINO.require().compile(
      golden.network, inputShape: golden.inputShape, options: .init(precision: .bf16))
    #expect(compiled.notes.count == 1)
    #expect(compiled.notes.first?.contains("bf16") == true)
  }

  @Test func requestsRunSideBySide() throws {
    let golden = try #require(GoldenNetwork.all.last)
    let compiled = try InstalledOpenVINO.require().compile(
      golden.network, inputShape: golden.inputShape, options: .init(precision: .fp32, threads: 2))
    /// The result for inputs scaled by 1 + `thread`, each thread using one request five times.
    @Sendable func results(_ thread: Int) throws -> [[Float]] {
      let request = try compiled.makeRequest()
      return try (0..<5).map { _ in
        for index in request.input.indices {
          request.input[index] = Float(1 + thread) * Float(cosine(0.5 * Double(index)))
        }
        try request.start()
        return Array(try request.wait())
      }
    }
    let expected = try (0..<4).map { try results($0)[0] }
    let failures = Failures()
    Parallel.forEach(4) { thread in
      do {
        for result in try results(thread) where result != expected[thread] { failures.count(thread) }
      } catch { failures.count(thread) }
    }
    #expect(failures.all == [])
    #expect(Set(expected).count == 4)
  }

  @Test func abandonedRequestsDoNoHarm() throws {
    let golden = try #require(GoldenNetwork.all.last)
    let engine = try InstalledOpenVINO.require()
    for _ in 0..<3 {
      let compiled = try engine.compile(golden.network, inputShape: golden.inputShape, options: .init())
      try compiled.makeRequest().start()
    }
  }

  @Test func refusesWithReasons() throws {
    let golden = try #require(GoldenNetwork.all.first)
    let engine = try InstalledOpenVINO.require()
    let failure = #expect(throws: Failure.self) {
      try engine.compile(golden.network, inputShape: golden.inputShape, options: .init(device: "ABACUS"))
    }
    #expect(failure?.kind == .engine)
    #expect(failure?.message.contains("ABACUS") == true)
    #expect(throws: Failure.self) {
      try engine.compile(golden.network, inputShape: [1, 1, 3], options: .init())
    }
    #expect(engine.devices.contains("CPU"))
    #expect(!engine.version.isEmpty)
  }

  @Test func compiledNetworksAreKept() throws {
    let folder = try TemporaryFolder()
    let golden = try #require(GoldenNetwork.all.first { $0.inputShape.count == 5 })
    let engine = try InstalledOpenVINO.require()
    func result(_ options: CompileOptions) throws -> [Float] {
      let compiled = try engine.compile(golden.network, inputShape: golden.inputShape, options: options)
      let request = try compiled.makeRequest()
      for index in request.input.indices { request.input[index] = Float(cosine(0.5 * Double(index))) }
      try request.start()
      return Array(try request.wait())
    }
    let cache = folder("cache")
    let kept = CompileOptions(precision: .fp32, threads: 1, cacheFolder: cache)
    let fresh = try result(.init(precision: .fp32, threads: 1))
    #expect(try result(kept) == fresh)
    let files = try Path.list(cache)
    #expect(files.count == 1)
    let file = Path.join(cache, try #require(files.first))
    let content = try Path.read(file)
    #expect(try result(kept) == fresh)
    #expect(try Path.list(cache) == files)

    // Another shape, precision or number of threads is another network.
    _ = try result(.init(precision: .bf16, threads: 1, cacheFolder: cache))
    #expect(try Path.list(cache).count == 2)

    // Whatever has happened to the file, the answer stays the same, and the file is made anew.
    for position in [0, 100, content.count / 2, content.count - 70, content.count - 1] {
      var damaged = content
      damaged[position] ^= 0x10
      try AtomicFile.write(damaged, to: file)
      #expect(try result(kept) == fresh)
      #expect(try Path.read(file).count == content.count)
    }
    for size in [0, 10, 63, 64, content.count / 2] {
      try AtomicFile.write(Array(content[..<size]), to: file)
      #expect(try result(kept) == fresh)
    }
  }

  /// A file that is whole but not OpenVINO's: only OpenVINO itself can find out.
  @Test func foreignCompiledNetworksAreReplaced() throws {
    let folder = try TemporaryFolder()
    let golden = try #require(GoldenNetwork.all.first)
    let engine = try InstalledOpenVINO.require()
    let options = CompileOptions(precision: .fp32, threads: 1, cacheFolder: folder.path)
    _ = try engine.compile(golden.network, inputShape: golden.inputShape, options: options)
    let name = try #require(try Path.list(folder.path).first)
    let key = String(name.prefix { $0 != "." })
    let cache = CompiledNetworkCache(folder: folder.path)
    cache.store(key) { try AtomicFile.write(Array("not a network".utf8), to: $0) }
    #expect(cache.load(key) != nil)
    _ = try engine.compile(golden.network, inputShape: golden.inputShape, options: options)
    #expect(try Path.read(folder(name)).count > 1000)
  }
}

/// Threads that have seen a failure.
private final class Failures: @unchecked Sendable {
  private let counts = UnsafeMutableBufferPointer<Int>.allocate(capacity: 16)
  init() { counts.initialize(repeating: 0) }
  deinit { counts.deallocate() }
  func count(_ thread: Int) { counts[thread] += 1 }
  var all: [Int] { counts.indices.filter { counts[$0] > 0 } }
}
