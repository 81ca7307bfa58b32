import Basics
import Evaluation
import ImageFormats
import Imaging

/// Finds out which components are better left out: `nnUNetv2_determine_postprocessing`.
///
/// What a step would remove is counted per case, by pairs of labels; every mean that a decision needs follows from these
/// counts, so no image is written before all is decided, and none is read again for the sake of one label.
struct PostprocessingSearch {
  let pairs: [FolderEvaluation.Pair]
  let reader: ImageReader
  let labels: EvaluatedLabels
  /// All labels above background, which the first step takes together.
  let foreground: [Int]
  let progress: @Sendable (_ done: Int, _ total: Int) -> Void

  /// What was decided, and the figures of the cases before and after.
  struct Outcome {
    var postprocessing = Postprocessing()
    var before: SegmentationSummary
    var after: SegmentationSummary
  }

  /// The pairs of labels of each case: as they are, and of the voxels that each candidate would remove.
  private struct Measurement: Sendable {
    var confusion: LabelConfusion
    var removed: [LabelConfusion]
  }

  func run() throws -> Outcome {
    let joint = Postprocessing.Step.labels(foreground)
    let singles = labels.items.count > 1 ? labels.items.map(Postprocessing.Step.item) : []
    var cases = try measure([joint] + singles, after: Postprocessing())
    let before = summary(cases.map(\.confusion))
    var outcome = Outcome(before: before, after: before)
    var waiting = singles
    if adopt(joint, removing: 0, of: &cases, in: &outcome, isBetter: isBetterOverall), !waiting.isEmpty {
      // The components of single labels are others now.
      cases = try measure([joint] + waiting, after: outcome.postprocessing)
    }
    var position = 1
    while let step = waiting.first {
      let index = labels.items.count - waiting.count
      waiting.removeFirst()
      let isAdopted = adopt(step, removing: position, of: &cases, in: &outcome) { before, after in
        after.means[index].dice > before.means[index].dice
      }
      position += 1
      if isAdopted, waiting.contains(where: { !$0.members.isDisjoint(with: step.members) }) {
        cases = try measure(waiting, after: outcome.postprocessing)
        position = 0
      }
    }
    return outcome
  }

  /// The mean over all labels must rise, and that of none may fall.
  private func isBetterOverall(_ before: SegmentationSummary, _ after: SegmentationSummary) -> Bool {
    after.foregroundDice > before.foregroundDice
      && !zip(before.means, after.means).contains { $1.dice < $0.dice }
  }

  /// Takes a step over when it is better, and says whether.
  private func adopt(
    _ step: Postprocessing.Step, removing index: Int, of cases: inout [Measurement], in outcome: inout Outcome,
    isBetter: (SegmentationSummary, SegmentationSummary) -> Bool
  ) -> Bool {
    let changed = cases.map { $0.confusion.relabeling($0.removed[index]) }
    let after = summary(changed)
    guard isBetter(outcome.after, after) else { return false }
    outcome.postprocessing.steps.append(step)
    outcome.after = after
    for number in cases.indices { cases[number].confusion = changed[number] }
    return true
  }

  private func summary(_ confusions: [LabelConfusion]) -> SegmentationSummary {
    SegmentationSummary(
      items: labels.items,
      cases: zip(pairs, confusions).map { pair, confusion in
        SegmentationSummary.Case(
          prediction: pair.prediction, reference: pair.reference,
          metrics: labels.items.map {
            RegionMetrics(confusion.overlap(of: Set($0.labels), ignoring: labels.ignore))
          })
      })
  }

  /// Reads every case once and counts what each candidate would remove from it.
  private func measure(
    _ candidates: [Postprocessing.Step], after adopted: Postprocessing
  ) throws -> [Measurement] {
    let counter = Counter(total: pairs.count, report: progress)
    // Labels that stand alone are looked at together.
    let alone = Set(candidates.map(\.members).filter { $0.count == 1 }.flatMap(\.self))
    return try CaseWorkers.map(pairs) { _, pair in
      let reference = try reader.readLabels(pair.reference).labels
      var prediction = try reader.readLabels(pair.prediction).labels
      adopted.apply(to: &prediction)
      let confusion = try locating(pair.prediction) {
        try LabelConfusion(prediction: prediction, reference: reference)
      }
      let ofEach = prediction.smallerComponents(ofEach: alone)
      let removed = candidates.map { step in
        let members = step.members
        let positions =
          members.count == 1 ? ofEach[members.first ?? 0] ?? [] : prediction.smallerComponents(of: members)
        return LabelConfusion(prediction: prediction, reference: reference, at: positions)
      }
      counter.advance()
      return Measurement(confusion: confusion, removed: removed)
    }
  }
}
