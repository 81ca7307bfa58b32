import Basics
import Networks
import TestSupport
import Testing

@testable import Engines

@Suite(.enabled(if: InstalledOnnxRuntime.engine != nil, InstalledOnnxRuntime.absence)) struct OnnxRuntimeEngineTests {
  /// 1e-4 of the largest value: ONNX Runtime sums in float32 and in another order.
  @Test(arguments: GoldenNetwork.all) func answersAsPyTorch(golden: GoldenNetwork) throws {
    let result = try run(golden.network, inputShape: golden.inputShape, on: InstalledOnnxRuntime.require())
    #expect(result.shape == golden.outputShape)
    let largest = golden.output.reduce(0) { max($0, abs($1)) }
    #expect(largestDifference(result.values, golden.output) < 1e-4 * largest)
  }

  /// Passes of several requests of one network do not disturb each other, and abandoned ones do no harm.
  @Test func requestsOverlap() throws {
    let golden = try #require(GoldenNetwork.all.last)
    let engine = try InstalledOnnxRuntime.require()
    let compiled = try engine.compile(golden.network, inputShape: golden.inputShape, options: .init(threads: 2))
    #expect(compiled.precision == .fp32 && compiled.concurrentRequests == 2)
    let requests = try (0..<2).map { _ in try compiled.makeRequest() }
    func fill(_ request: any InferenceRequest, _ factor: Float) {
      for index in request.input.indices { request.input[index] = factor * Float(cosine(0.5 * Double(index))) }
    }
    var alone: [[Float]] = []
    for (index, request) in requests.enumerated() {
      fill(request, Float(index + 1))
      try request.start()
      alone.append(Array(try request.wait()))
    }
    #expect(alone[0] != alone[1])
    for _ in 0..<3 {
      for request in requests { try request.start() }
      for (index, request) in requests.enumerated() { #expect(Array(try request.wait()) == alone[index]) }
    }
    for _ in 0..<3 {
      try engine.compile(golden.network, inputShape: golden.inputShape, options: .init()).makeRequest().start()
    }
  }

  @Test func refusesWithReasons() throws {
    let golden = try #require(GoldenNetwork.all.first)
    let engine = try InstalledOnnxRuntime.require()
    #expect(engine.devices.contains("CPU") && !engine.version.isEmpty)
    for device in ["ABACUS", "CUDA", "TENSORRT:1", "COREML", "GPU"] where !engine.devices.contains(device) {
      let failure = #expect(throws: Failure.self) {
        try engine.compile(golden.network, inputShape: golden.inputShape, options: .init(device: device))
      }
      #expect(failure?.kind == .engine && failure?.message.contains(device) == true)
      #expect(failure?.hint?.contains("CPU") == true)
    }
    let precision = #expect(throws: Failure.self) {
      try engine.compile(golden.network, inputShape: golden.inputShape, options: .init(precision: .bf16))
    }
    #expect(precision?.message.contains("bf16") == true)
  }

  /// Providers the library was built without are refused by the library itself, in words: the functions that add them
  /// are where they are expected in the table.
  @Test func addsProvidersByTheirFunctions() throws {
    let library = try InstalledOnnxRuntime.require().library
    let golden = try #require(GoldenNetwork.all.first)
    for provider in [OnnxRuntimeProvider.cuda, .tensorRT, .coreML]
    where !library.providers.contains(provider.libraryName) {
      var settings = try OnnxRuntimeSettings(CompileOptions(), library: library)
      settings.provider = provider
      let bytes = try ONNXModel(golden.network, inputShape: golden.inputShape).bytes()
      let failure = #expect(throws: Failure.self) {
        try OnnxRuntimeNetwork(
          .bytes(bytes), library: library, settings: settings, inputName: "input", inputShape: golden.inputShape,
          outputs: [("output", golden.outputShape)])
      }
      #expect(failure?.message.localizedLowercaseContains(provider.shortName) == true, "\(failure?.message ?? "")")
    }
  }
}

/// Files that engines read themselves.
@Suite(.enabled(if: !InstalledOnnxRuntime.fileEngines.isEmpty, InstalledOnnxRuntime.absence)) struct ModelFileTests {
  /// Several networks as one, with an open batch, from a file: the mean of their answers, in every operator set.
  @Test(arguments: [11, 17, 22]) func filesAnswerAsTheirNetworks(set: Int) throws {
    let folder = try TemporaryFolder()
    let golden = try #require(GoldenNetwork.all.first { $0.inputShape.count == 5 })
    var options = ONNXModel.Options()
    options.operatorSet = set
    let path = folder("mean.onnx")
    let open: [Int?] = [nil] + golden.inputShape.dropFirst().map { $0 }
    try ONNXModel(
      ensemble: [golden.network, golden.network], inputShape: open, options: options
    )
    .write(toFile: path)
    let file = try ONNXFile.read(path)
    #expect(file.operatorSet == set && file.inputs.map(\.name) == ["input"] && file.outputs.map(\.name) == ["output"])
    #expect(file.inputs[0].shape == open)
    let largest = golden.output.reduce(0) { max($0, abs($1)) }
    for engine in InstalledOnnxRuntime.fileEngines {
      for batch in [1, 2] {
        let compiled = try engine.compile(
          file, inputShape: [batch] + golden.inputShape.dropFirst(),
          outputShape: [batch] + golden.outputShape.dropFirst(), options: .init(precision: .fp32))
        let request = try compiled.makeRequest()
        let size = golden.inputShape.reduce(1, *)
        for index in request.input.indices { request.input[index] = Float(cosine(0.5 * Double(index % size))) }
        try request.start()
        #expect(largestDifference(try request.wait().suffix(golden.output.count), golden.output) < 1e-4 * largest)
      }
    }
  }

  /// What is prepared for one kind of device runs nowhere else, and says so; and only TensorRT is prepared for.
  @Test(.enabled(if: !InstalledOnnxRuntime.hasTensorRT, "TensorRT is there")) func preparesForTensorRTOnly() throws {
    let folder = try TemporaryFolder()
    let golden = try #require(GoldenNetwork.all.first { $0.inputShape.count == 5 })
    let path = folder("network.onnx")
    try ONNXModel(golden.network, inputShape: golden.inputShape).write(toFile: path)
    let plain = try ONNXFile.read(path)
    try InstalledOnnxRuntime.pretendPreparation(of: path)
    let prepared = try ONNXFile.read(path)
    #expect(prepared.isPrepared && !plain.isPrepared)
    for engine in InstalledOnnxRuntime.fileEngines {
      let refusal = #expect(throws: Failure.self) {
        try engine.compile(
          prepared, inputShape: golden.inputShape, outputShape: golden.outputShape, options: .init())
      }
      #expect(refusal?.kind == .engine && refusal?.message.contains("TensorRT") == true && refusal?.file == path)
      for device in ["CPU", "TENSORRT"] {
        let failure = #expect(throws: Failure.self) {
          try engine.prepare(
            plain, inputShape: golden.inputShape, outputShape: golden.outputShape, options: .init(device: device),
            to: folder("prepared.onnx"))
        }
        #expect(failure?.kind == .engine)
      }
    }
    #expect(try Path.list(folder.path) == ["network.onnx"])
  }

  /// Values in the middle of a network, from engines that give them, are those of the scalar engine's prefix of it.
  @Test func valuesInTheMiddle() throws {
    let golden = try #require(GoldenNetwork.all.first { $0.inputShape.count == 5 })
    let network = golden.network.optimized(.all)
    let nodes = network.graph.quantizableNodes
    #expect(!nodes.isEmpty && nodes.allSatisfy { $0 > 0 && $0 < network.graph.nodes.count - 1 })
    let values = [nodes[0], nodes[nodes.count / 2], nodes[0] + 1].map(Graph.Value.init(index:))
    let tapped = network.tapping(Array(Set(values)).sorted { $0.index < $1.index })
    for engine in InstalledOnnxRuntime.fileEngines {
      let compiled = try engine.compile(tapped, inputShape: golden.inputShape, options: .init(precision: .fp32))
      let request = try compiled.makeRequest()
      for index in request.input.indices { request.input[index] = Float(cosine(0.5 * Double(index))) }
      try request.start()
      _ = try request.wait()
      for (index, value) in tapped.graph.outputs.enumerated() {
        let expected = try run(network.tapping([value]), inputShape: golden.inputShape, on: ReferenceEngine()).values
        let largest = expected.reduce(0) { max($0, abs($1)) }
        #expect(largestDifference(try request.output(index), expected) < 1e-4 * largest, "\(engine.name) \(index)")
      }
      #expect(throws: Failure.self) { try request.output(9) }
    }
  }

  /// Eight bits: the answer stays near, in every engine, and differs from single precision.
  @Test func eightBitsComeNear() throws {
    let folder = try TemporaryFolder()
    let golden = try #require(GoldenNetwork.all.first { $0.inputShape.count == 5 })
    let network = golden.network.optimized(.all)
    let engine = try #require(InstalledOnnxRuntime.fileEngines.first)
    let example = (0..<golden.inputShape.reduce(1, *)).map { Float(cosine(0.5 * Double($0))) }
    var calibration = Calibration()
    calibration.rule = .extremes
    var options = ONNXModel.Options()
    let quantization = try calibration.ranges(
      of: network, examples: [example], inputShape: golden.inputShape, engine: engine,
      options: .init(precision: .fp32))
    #expect(Set(quantization.inputs.keys) == Set(network.graph.quantizableNodes))
    options.quantization = quantization
    try ONNXModel(network, inputShape: golden.inputShape, options: options).write(toFile: folder("int8.onnx"))
    let file = try ONNXFile.read(folder("int8.onnx"))
    #expect(file.isQuantized)
    let largest = golden.output.reduce(0) { max($0, abs($1)) }
    for engine in InstalledOnnxRuntime.fileEngines {
      let compiled = try engine.compile(
        file, inputShape: golden.inputShape, outputShape: golden.outputShape, options: .init(precision: .fp32))
      let request = try compiled.makeRequest()
      _ = request.input.update(fromContentsOf: example)
      try request.start()
      let difference = largestDifference(try request.wait(), golden.output)
      #expect(difference > 1e-6 * largest && difference < 0.2 * largest, "\(engine.name): \(difference) of \(largest)")
    }
    #expect(throws: Failure.self) {
      try calibration.ranges(
        of: network, examples: [], inputShape: golden.inputShape, engine: engine, options: .init())
    }
  }
}

extension String {
  /// Whether it contains `other`, whatever the case.
  fileprivate func localizedLowercaseContains(_ other: String) -> Bool { lowercased().contains(other.lowercased()) }
}
