"""What the page of all disks shows. Pure functions: what the report says is put into words and pictures, not judged."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.model.history import History
from shared.model.prices import Prices, cost, shown
from shared.model.progress import Progress
from shared.model.report import FOR_INFORMATION, AppReport, DiskReport, Report, State
from shared.model.retention_plan import PlanOnRecord, PlanState
from shared.model.sizes import Bytes
from shared.model.words import NONE, amount, length, many, short_names
from shared.page.advice import Advice, for_information, grouped, what_to_do
from shared.page.chart import Chart, chart
from shared.page.jobs_shown import EndedShown, JobShown, ended, under_way
from shared.page.reading import Seen
from shared.page.scale import midnights
from shared.page.shown import Badge, Moment, badge, moment
from shared.page.timeline import Timeline, timeline

_NOT_ON_RECORD = "Its recovery points are not on record here yet. The next tick puts them there."
_NOTHING_YET = Badge("new", "nothing yet", "quiet")
_OPEN_PLANS = frozenset({PlanState.REPORT, PlanState.WAITING, PlanState.APPROVED, PlanState.DELETING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is said first.

    Attributes:
        title: whether all disks are safe, or what is wrong.
        text: the ticks.
        badge: how that is drawn.
    """

    title: str
    text: str
    badge: Badge


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskShown:
    """A disk's row.

    Attributes:
        name, short: its name, and as much of it as no other disk has.
        badge: its state.
        since: since when it is in that.
        flags: what else is said of it.
        timeline: its recovery points; None if they are not on record yet.
        no_timeline: why there is none then.
        chart: the bytes its runs wrote; None likewise.
        size: of the disk.
        age: of the newest good recovery point.
        good_point: when that was.
        next_tick: when its next backup is due; None if none is.
        busy: what it is busy with.
        space: what its recovery points added.
    """

    name: str
    short: str
    badge: Badge
    since: Moment | None
    flags: Sequence[str]
    timeline: Timeline | None
    no_timeline: str
    chart: Chart | None
    size: str
    age: str
    good_point: Moment | None
    next_tick: Moment | None
    busy: str
    space: "Space | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """What the recovery points of a disk added to the backups, as far as they say it.

    Attributes:
        points: how many there are.
        oldest: the oldest.
        added: the bytes that they added when they were sealed.
        unknown: of how many that is not known.
        usual: what a run usually writes.
        month: what that costs in a month; empty without a price, and where they hold more than that.
    """

    points: int
    oldest: Moment | None
    added: str
    unknown: int
    usual: str
    month: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanShown:
    """A disk's retention plan, if it takes anything.

    Attributes:
        disk, short: the disk's names.
        state, reason, rules: as on record.
        going, points: how many of how many recovery points it takes.
        freed: the bytes that frees, at most if some of them are deleted already: what each frees is not on record.
        command: what approves it; empty if it does not wait.
        hash: by which it is approved.
    """

    disk: str
    short: str
    state: str
    reason: str
    rules: str
    going: int
    points: int
    freed: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All that the page shows."""

    now: Moment | None
    attention: bool
    verdict: Verdict
    advice: Sequence[Advice]
    notes: Sequence[Advice]
    cards: Sequence[Advice]
    note_cards: Sequence[Advice]
    disks: Sequence[DiskShown]
    counts: Sequence[tuple[str, int]]
    midnights: Sequence[tuple[float, str]]
    under_way: Sequence[JobShown]
    more_under_way: int
    ended: Sequence[EndedShown]
    plans: Sequence[PlanShown]
    has_plans: bool
    total_size: str
    total_added: str
    priced: bool


def overview(seen: Seen, prices: Prices | None = None, *, only: str = "") -> Overview:
    """Say what the page of all disks shows.

    Args:
        seen: what was read.
        prices: what a GiB costs, if somebody has said so.
        only: the disk whose row is drawn; empty for those of all.
    """
    report, now, known = seen.told.report, seen.told.report.at, prices or Prices()
    advice, notes = what_to_do(report), for_information(report)
    names = [disk.disk for disk in report.disks]
    others = {job.disk for job in seen.told.ended if job.disk} | {job.disk.name for job in seen.jobs if job.disk}
    short = short_names(list(dict.fromkeys([*names, *sorted(others)])))
    histories = [found for name in names if (found := seen.told.histories.get(name))]
    return Overview(
        now=moment(now, now),
        attention=report.needs_attention,
        verdict=verdict(report),
        advice=advice,
        notes=notes,
        cards=grouped(advice),
        note_cards=grouped(notes),
        disks=[_disk(seen, disk, short[disk.disk], known) for disk in report.disks if only in {"", disk.disk}],
        counts=list(Counter(str(disk.state) for disk in report.disks).items()),
        midnights=midnights(now),
        under_way=under_way(seen, short),
        more_under_way=seen.more_jobs,
        ended=ended(seen, short),
        plans=[_plan(plan, short) for plan in seen.plans.values() if plan.disk.name in short and is_open(plan)],
        has_plans=bool(seen.plans),
        total_size=amount(sum(disk.size for disk in report.disks)),
        total_added=amount(sum(history.added for history in histories)),
        priced=known.backup_gib_month is not None,
    )


def verdict(report: Report) -> Verdict:
    """Say first whether all disks are safe, or what is wrong."""
    return Verdict(title=_title(report), text=_ticks(report.app, report.at), badge=_badge(report))


def _title(report: Report) -> str:
    disks = [disk for disk in report.disks if disk.state is not State.RETIRED]
    needs = sum(disk.needs_attention for disk in report.disks)
    if report.problems:
        also = f", and so {'does' if needs == 1 else 'do'} {needs} of {many(len(report.disks), 'disk')}"
        return f"The app needs attention{also if needs else ''}"
    if needs:
        return f"{needs} of {many(len(report.disks), 'disk')} need{'s' if needs == 1 else ''} attention"
    if not disks:
        return "No disk is backed up yet" if not report.disks else "No disk is backed up any more"
    safe = sum(_is_safe(disk) for disk in disks)
    if safe == len(disks):
        return "The disk is safe" if safe == 1 else f"All {safe} disks are safe"
    restored = sum(disk.state is State.RESTORING for disk in disks)
    if len(disks) == 1:
        return f"The disk {'is being restored' if restored else 'has no recovery point yet'}"
    without = len(disks) - safe - restored
    rest = " and ".join(
        [
            *([f"{without} {'has' if without == 1 else 'have'} no recovery point yet"] if without else []),
            *([f"{restored} {'is' if restored == 1 else 'are'} being restored"] if restored else []),
        ]
    )
    return f"{safe} of {many(len(disks), 'disk')} {'is' if safe == 1 else 'are'} safe; {rest}"


def _ticks(app: AppReport, now: datetime) -> str:
    last, following = moment(app.last_tick, now), moment(app.next_tick, now)
    said = f"Last tick {last.text}, {last.ago}: {app.tick_result}" if last else "There has been no tick yet"
    if following is None or app.next_tick is None:
        return f"{said}."
    was_due = app.next_tick <= now
    return f"{said}. {'The next tick was due' if was_due else 'Next tick'} {following.text}, {following.ago}."


def _badge(report: Report) -> Badge:
    if report.needs_attention:
        is_bad = bool(report.problems) or report.state is State.FAILING
        return Badge("alarm", "needs attention", "bad" if is_bad else "warn")
    backed_up = [disk for disk in report.disks if disk.state is not State.RETIRED]
    if not backed_up:
        return Badge("ended", "nothing is backed up any more", "quiet") if report.disks else _NOTHING_YET
    if all(_is_safe(disk) for disk in backed_up):
        return Badge("check", "all is well", "good")
    if any(disk.state is State.RESTORING for disk in backed_up):
        return Badge("restoring", "a disk is being restored", "busy")
    return Badge("new", "not all are safe yet", "quiet")


def _is_safe(disk: DiskReport) -> bool:
    """Return whether a disk has a good recovery point that is not too old."""
    return disk.state is State.SAFE or (disk.state is State.RUNNING and bool(disk.good_point))


def _disk(seen: Seen, disk: DiskReport, short: str, prices: Prices) -> DiskShown:
    now, history = seen.told.report.at, seen.told.histories.get(disk.disk)
    run, plan = seen.busy.get(disk.disk), seen.plans.get(disk.disk)
    goes_on = disk.late_at is not None and disk.state is not State.RESTORING
    return DiskShown(
        name=disk.disk,
        short=short,
        badge=badge(disk),
        since=moment(disk.since, now),
        flags=sorted(str(flag) for flag in disk.flags if flag not in FOR_INFORMATION),
        timeline=_timeline(disk, history, run, plan, now) if history else None,
        no_timeline=_NOT_ON_RECORD if disk.last_point else "No recovery point yet.",
        chart=chart(history, now) if history else None,
        size=amount(disk.size) if disk.size else NONE,
        age=length(disk.age(now)),
        good_point=moment(disk.good_point, now),
        next_tick=moment(seen.told.report.app.next_tick, now) if goes_on else None,
        busy=busy_with(disk, run),
        space=space(history, now, prices) if history else None,
    )


def busy_with(disk: DiskReport, found: Progress | None) -> str:
    """Say in a few words what a disk is busy with; empty if with nothing."""
    if disk.job is None:
        return ""
    return f"{disk.job.kind}: {found.shown if found else disk.job.stage or 'under way'}"


def _timeline(
    disk: DiskReport, history: History, run: Progress | None, plan: PlanOnRecord | None, now: datetime
) -> Timeline:
    is_run = disk.job is not None and disk.job.kind == "backup"
    stage = run or (Progress(stage=disk.job.stage, since=now, seen=now) if is_run and disk.job else None)
    return timeline(
        history,
        now,
        late_after=timedelta(seconds=disk.late_after_seconds),
        going=going(plan) if plan and plan.is_going_on else (),
        would_go=going(plan) if plan and not plan.is_going_on else (),
        run=stage if is_run else None,
        is_due=disk.late_at is not None,
    )


def is_open(plan: PlanOnRecord) -> bool:
    """Return whether a plan takes recovery points that are not deleted yet."""
    return plan.state in _OPEN_PLANS and plan.going > plan.deleted


def going(plan: PlanOnRecord | None) -> frozenset[int]:
    """Give the seconds of the recovery points that a plan takes."""
    if plan is None or not is_open(plan):
        return frozenset()
    return frozenset(int(datetime.fromisoformat(time).timestamp()) for time in plan.times)


def space(history: History, now: datetime, prices: Prices) -> Space:
    """Say what a disk's recovery points added; that is what they hold, and so has a price, if all of them are there."""
    oldest = datetime.fromtimestamp(history.oldest, now.tzinfo) if history.oldest else None
    is_held = history.is_whole and not history.unknown
    money = cost(Bytes(history.added, history.added), prices.backup_gib_month) if is_held else None
    return Space(
        points=history.points,
        oldest=moment(oldest, now),
        added=amount(history.added),
        unknown=history.unknown,
        usual=amount(history.usual),
        month=shown(money, prices.currency) if money else "",
    )


def _plan(plan: PlanOnRecord, short: Mapping[str, str]) -> PlanShown:
    exact = plan.bytes_freed == plan.bytes_freed_at_least and not plan.deleted
    return PlanShown(
        disk=plan.disk.name,
        short=short[plan.disk.name],
        state=str(plan.state),
        reason=plan.reason,
        rules=plan.rules,
        going=plan.going - plan.deleted,
        points=plan.points,
        freed=amount(plan.bytes_freed) if exact else f"up to {amount(plan.bytes_freed)}",
        command=f"tidemark prune --approve {plan.plan}" if plan.state is PlanState.WAITING and plan.is_named else "",
    )
