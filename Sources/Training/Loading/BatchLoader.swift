import Basics
import Dispatch
import Synchronization

/// Prepares batches ahead of the network, on all cores, a bounded number of them.
public final class BatchLoader: Sendable {
  private struct State {
    /// The next sample to make, counted over all batches of this run.
    var next = 0
    /// Samples still to come of the batches in the ring.
    var missing: [Int]
    var failure: Failure?
    var taken = 0
    /// Of these.
    var givenBack = 0
    var waited = 0.0
    var isStopped = false
  }

  private let training: SamplePreparation
  private let validation: SamplePreparation
  private let order: BatchOrder
  private let ring: [TrainingBatch]
  private let batchSize: Int
  private let workers: Int
  private let state: Mutex<State>
  /// Signalled once for each sample there is room for.
  private let room = DispatchSemaphore(value: 0)
  private let ready: [DispatchSemaphore]
  private let threads = DispatchGroup()

  /// Begins to prepare batches.
  ///
  /// - Parameters:
  ///   - makeBatch: makes the memory of a batch.
  ///   - ahead: how many batches may be ready or in the making.
  ///   - workers: the number of threads.
  public init(
    training: SamplePreparation, validation: SamplePreparation, order: BatchOrder, ahead: Int, workers: Int,
    makeBatch: () -> TrainingBatch
  ) {
    self.training = training
    self.validation = validation
    self.order = order
    ring = (0..<max(1, ahead)).map { _ in makeBatch() }
    batchSize = ring[0].size
    self.workers = max(1, workers)
    ready = ring.map { _ in DispatchSemaphore(value: 0) }
    state = Mutex(State(missing: ring.map(\.size)))
    for _ in 0..<ring.count * batchSize { room.signal() }
    for worker in 0..<self.workers {
      DispatchQueue(label: "microtome.loader.\(worker)").async(group: threads) { [self] in work() }
    }
  }

  /// Waits for the next batch, which belongs to the caller until `giveBack`. A caller may have several, fewer than
  /// `ahead`. Throws what making it threw.
  public func next() throws -> TrainingBatch {
    let number = state.withLock { $0.taken }
    var clock = Stopwatch()
    ready[number % ring.count].wait()
    let seconds = clock.lap()
    let failure = state.withLock { state in
      state.waited += seconds
      state.taken += 1
      return state.failure
    }
    if let failure { throw failure }
    return ring[number % ring.count]
  }

  /// Hands back the oldest batch that `next` gave.
  public func giveBack() {
    state.withLock { state in
      state.missing[state.givenBack % ring.count] = batchSize
      state.givenBack += 1
    }
    for _ in 0..<batchSize { room.signal() }
  }

  /// Whether `next` has more to give.
  var hasNext: Bool { state.withLock { $0.taken < order.count } }

  /// Seconds the caller has waited in `next` so far.
  public var waited: Double { state.withLock { $0.waited } }

  /// Ends the threads and waits for them. The loader cannot be used any more.
  public func stop() {
    state.withLock { $0.isStopped = true }
    releaseWorkers()
    threads.wait()
  }

  /// A thread that waits for room takes one signal and leaves.
  private func releaseWorkers() {
    for _ in 0..<workers { room.signal() }
  }

  private func work() {
    let workspace = SampleWorkspace()
    let total = order.count * batchSize
    while true {
      room.wait()
      let sample = state.withLock { state -> Int? in
        guard !state.isStopped, state.failure == nil, state.next < total else { return nil }
        defer { state.next += 1 }
        return state.next
      }
      guard let sample else { return }
      let (number, place) = sample.quotientAndRemainder(dividingBy: batchSize)
      let (phase, index) = order.batch(number)
      let preparation = phase == .training ? training : validation
      let slot = number % ring.count
      do {
        try preparation.prepare(index * batchSize + place, into: ring[slot], place: place, workspace)
        let isComplete = state.withLock { state in
          state.missing[slot] -= 1
          return state.missing[slot] == 0
        }
        if isComplete { ready[slot].signal() }
      } catch {
        state.withLock { if $0.failure == nil { $0.failure = Failure(wrapping: error) } }
        for semaphore in ready { semaphore.signal() }
        // Whoever waits for room is to see the failure.
        releaseWorkers()
        return
      }
    }
  }
}
