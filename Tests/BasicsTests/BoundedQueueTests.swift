import Basics
import Dispatch
import Synchronization
import Testing

@Suite struct BoundedQueueTests {
  @Test func itemsArriveInOrderAndNeverMoreThanTheCapacityAreAhead() {
    let queue = BoundedQueue<Int>(capacity: 2)
    let made = Atomic(0)
    let taken = Atomic(0)
    let most = Atomic(0)
    let producer = DispatchGroup()
    DispatchQueue(label: "producer").async(group: producer) {
      for number in 0..<500 {
        queue.reserve()
        let ahead = made.add(1, ordering: .relaxed).newValue - taken.load(ordering: .relaxed)
        most.max(ahead, ordering: .relaxed)
        queue.push(number)
      }
      queue.finish()
    }
    var received: [Int] = []
    while let number = queue.pop() {
      taken.add(1, ordering: .relaxed)
      received.append(number)
    }
    producer.wait()
    #expect(received == Array(0..<500))
    // The slot is free a moment before the consumer counts the item as taken.
    #expect(most.load(ordering: .relaxed) <= 3)
  }

  @Test func theEndStaysTheEnd() {
    let queue = BoundedQueue<Int>(capacity: 1)
    queue.finish()
    #expect(queue.pop() == nil)
    #expect(queue.pop() == nil)
  }
}
