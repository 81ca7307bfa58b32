import Basics
import CKernels
import Dispatch
import Networks
import Synchronization

/// A network planned for one shape, with its weights reordered.
final class NativeNetwork: CompiledNetwork, @unchecked Sendable {
  let inputShape: [Int]
  let outputShapes: [[Int]]
  let isChannelsLast: Bool
  let concurrentRequests: Int
  let plan: NativePlan
  let memory: NativeMemory
  /// One for every step; nil for those without weights.
  let convolutions: [NativeConvolution?]
  /// Threads that one pass uses.
  let workers: Int
  /// Passes run on these, one after the other on each.
  private let queues: [DispatchQueue]
  private let next = Atomic<Int>(0)

  var outputShape: [Int] { outputShapes[0] }
  var precision: Precision { .fp32 }
  var engineName: String { "native \(NativeEngine().version)" }

  init(_ network: Network, inputShape: [Int], options: CompileOptions) throws {
    let shapes = try network.graph.shapes(forInput: inputShape)
    let plan = try NativePlan(network, shapes: shapes)
    let memory = NativeMemory(plan)
    outputShapes = network.graph.outputs.map { shapes[$0.index] }
    let schedule = OpenVINOSchedule(
      threads: max(1, options.threads ?? Processor.current.physicalCores), activationBytes: memory.size * 4,
      outputBytes: outputShapes[0].reduce(4, *), expectedPasses: options.expectedPasses)
    let workers = max(1, schedule.threads / schedule.streams)
    convolutions = try plan.steps.map { step in
      switch step.operation {
      case .convolution, .enlargement: try NativeConvolution(step, network: network, workers: workers)
      default: nil
      }
    }
    self.inputShape = inputShape
    self.plan = plan
    self.memory = memory
    self.workers = workers
    isChannelsLast = options.takesChannelsLast
    concurrentRequests = schedule.requests
    queues = (0..<schedule.streams).map { DispatchQueue(label: "microtome.pass.\($0)") }
  }

  func makeRequest() throws -> any InferenceRequest { NativeRequest(self) }

  /// Runs `pass` in the background.
  func start(_ pass: @escaping @Sendable () -> Void) {
    let ticket = next.add(1, ordering: .relaxed).oldValue
    queues[ticket % queues.count].async(execute: pass)
  }
}
