import Basics
import CKernels
import Engines
import NNUNet
import Networks

/// Trained networks that answer together: with the mean of their logits.
public final class TeacherEnsemble {
  private let networks: [any CompiledNetwork]
  private var idle: [[any InferenceRequest]]
  /// Values of a sample's image, and of the answer to it.
  private let inputCount: Int
  private let outputCount: Int
  public var engineName: String { networks.first?.engineName ?? "" }

  /// - Parameters:
  ///   - networks: with one output each, of the same shape.
  ///   - inputShape: (C, spatial axes...) of a training patch; networks are fully convolutional, so this need not be
  ///     the patch they were trained with.
  ///   - passes: how many patches are likely to be asked about at a time.
  /// - Throws: `engine` when the engine refuses a network; `badInput` when it cannot take the patch.
  public init(
    _ networks: [Network], engine: any Engine, inputShape: [Int], options: CompileOptions, passes: Int
  ) throws {
    var options = options
    options.expectedPasses = passes * 100
    // Processors take samples side by side, other devices a batch at once.
    let samples = options.device == "CPU" ? 1 : passes
    self.networks = try networks.map { try engine.compile($0, inputShape: [samples] + inputShape, options: options) }
    idle = networks.map { _ in [] }
    inputCount = samples * inputShape.reduce(1, *)
    outputCount = self.networks.first.map { $0.outputShape.reduce(1, *) } ?? 0
  }

  /// What the user should know about how the networks run.
  public var notes: [String] { networks.first?.notes ?? [] }

  /// Writes the mean logits (N, K, V) for images (N, C, V); a sum in the order of the networks, hence always the same.
  ///
  /// Throws what the engine throws.
  public func answer(_ images: UnsafeBufferPointer<Float>, into answers: UnsafeMutableBufferPointer<Float>) throws {
    guard let source = images.baseAddress, let target = answers.baseAddress, !networks.isEmpty else { return }
    let parts = images.count / inputCount
    precondition(parts * inputCount == images.count && parts * outputCount == answers.count)
    var flying: [(part: Int, network: Int, request: any InferenceRequest)] = []
    func land() throws {
      let (part, network, request) = flying.removeFirst()
      let logits = try request.wait()
      guard let values = logits.baseAddress else { return }
      let place = target + part * outputCount
      if network == 0 {
        place.update(from: values, count: outputCount)
      } else {
        mt_add_floats(place, values, outputCount)
      }
      idle[network].append(request)
    }
    for part in 0..<parts {
      for (number, network) in networks.enumerated() {
        while flying.count >= network.concurrentRequests { try land() }
        let request = try idle[number].popLast() ?? network.makeRequest()
        _ = request.input.update(
          fromContentsOf: UnsafeBufferPointer(start: source + part * inputCount, count: inputCount))
        try request.start()
        flying.append((part, number, request))
      }
    }
    while !flying.isEmpty { try land() }
    if networks.count > 1 { mt_scale_floats(target, 1 / Float(networks.count), answers.count) }
  }
}
