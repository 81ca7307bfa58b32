import Basics
import Dispatch
import Networks
import Synchronization

/// A network planned for one shape, with its weights reordered.
final class NativeNetwork: CompiledNetwork, Sendable {
  let inputShape: [Int]
  let outputShapes: [[Int]]
  let isChannelsLast: Bool
  let concurrentRequests: Int
  let notes: [String]
  private let streams: [NativeStream]
  private let next = Atomic<Int>(0)

  var outputShape: [Int] { outputShapes[0] }
  let precision: Precision
  var engineName: String { "native \(NativeEngine().version)" }

  /// - Parameter precision: fp32 or bf16.
  init(
    _ network: Network, inputShape: [Int], precision: Precision, roundsEverywhere: Bool, options: CompileOptions,
    notes: [String]
  ) throws {
    let shapes = try network.graph.shapes(forInput: inputShape)
    let plan = try NativePlan(network, shapes: shapes)
    let memory = NativeMemory(plan)
    outputShapes = network.graph.outputs.map { shapes[$0.index] }
    let schedule = PassSchedule(
      threads: max(1, options.threads ?? Processor.current.physicalCores), activationBytes: memory.size * 4,
      outputBytes: outputShapes[0].reduce(4, *), expectedPasses: options.expectedPasses)
    let workers = max(1, schedule.threads / schedule.streams)
    let exactSteps = roundsEverywhere ? [] : plan.stepsNearImageAndAnswer
    let convolutions = try plan.steps.enumerated().map { index, step in
      switch step.operation {
      case .convolution, .enlargement:
        try NativeConvolution(
          step, network: network, workers: workers, isBF16: precision == .bf16 && !exactSteps.contains(index))
      case .sum, .pooling, .statistics: nil as NativeConvolution?
      }
    }
    self.inputShape = inputShape
    self.precision = precision
    self.notes = notes
    isChannelsLast = options.takesChannelsLast
    concurrentRequests = schedule.requests
    streams = (0..<schedule.streams).map { number in
      NativeStream(number) { NativeWorkspace(plan, memory: memory, convolutions: convolutions, workers: workers) }
    }
  }

  func makeRequest() throws -> any InferenceRequest { NativeRequest(self) }

  /// Runs `pass` in the background.
  func start(_ pass: @escaping @Sendable (NativeWorkspace) -> Void) {
    streams[next.add(1, ordering: .relaxed).oldValue % streams.count].start(pass)
  }
}

/// Passes that run one after the other in the same workspace, which is made for the first of them.
final class NativeStream: @unchecked Sendable {
  private let queue: DispatchQueue
  private let make: @Sendable () -> NativeWorkspace
  /// Touched on the queue only.
  private var workspace: NativeWorkspace?

  init(_ number: Int, make: @escaping @Sendable () -> NativeWorkspace) {
    queue = DispatchQueue(label: "microtome.stream.\(number)")
    self.make = make
  }

  func start(_ pass: @escaping @Sendable (NativeWorkspace) -> Void) {
    queue.async { [self] in
      let workspace = self.workspace ?? make()
      self.workspace = workspace
      pass(workspace)
    }
  }
}
